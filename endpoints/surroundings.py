"""What of a deployment's pods the settings of its cluster decide and not its revision, and what of it changed since they were made.

Only digests are kept, made with the studio's own key: a proxy's address may hold a password.
"""

import json
from typing import Any

from django.utils.crypto import salted_hmac

from compute.extension.selectors import workload_placement
from compute.models import Compute
from compute.network.pods import CA_VARIABLES
from compute.network.selectors import pod_network
from compute.selectors import sets_user_ids
from endpoints.models import Deployment

# In the words that people read; each is compared by itself.
PROXY, AUTHORITIES, NODES, RIGHTS = "proxy", "authorities", "nodes", "rights of containers"


def settings_now(compute: Compute) -> dict[str, str]:
    """Return a digest of each part of a compute's settings that its pods are made with."""
    network = pod_network(compute.cluster)
    parts: dict[str, Any] = {
        PROXY: {name: value for name, value in network.environment.items() if name not in CA_VARIABLES},
        AUTHORITIES: network.ca_bundle,
        NODES: workload_placement(compute.cluster),
        RIGHTS: [compute.run_as_root, sets_user_ids(compute)],
    }
    return {name: _digest(part) for name, part in parts.items()}


def marked(parts: dict[str, str]) -> str:
    """Return one mark of all the parts: pods that carry another one were made with other settings."""
    return _digest(sorted(parts.items()))


def changed_since(deployment: Deployment, now: dict[str, str] | None = None) -> list[str]:
    """Return which parts of the cluster's settings changed since the deployment's pods were made; none while that is not known."""
    made_with = (deployment.applied or {}).get("settings") or {}
    compute = deployment.endpoint.compute
    if not made_with or compute is None:
        return []
    now = now if now is not None else settings_now(compute)
    return [name for name, digest in now.items() if made_with.get(name) != digest]


def _digest(part: Any) -> str:
    return salted_hmac("endpoints.surroundings", json.dumps(part, sort_keys=True)).hexdigest()
