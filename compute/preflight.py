"""Look at a cluster before anything is kept of it: does it answer, as whom, is it one that can be used."""

import re
from dataclasses import dataclass

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import Connection
from compute.kube.errors import Forbidden, KubeError, NotFound
from compute.problems import told
from studio.core.errors import ProblemError

# Native sidecar containers are on by default from here on (KEP-753).
OLDEST = (1, 29)
# Whoever attaches a cluster waits for the answer.
PATIENCE = 8.0


@dataclass(frozen=True)
class FirstLook:
    """Say what answered: its version, which cluster it is (the uid of kube-system), and as whom we came."""

    version: str
    uid: str
    username: str


def first_look(connection: Connection, *, field: str = "kubeconfig") -> FirstLook:
    """Ask the server what it is; raises ProblemError at `field` when it cannot be used."""
    try:
        with KubeClient(connection, timeout=PATIENCE) as client:
            # Who we are comes first: with a wrong token some servers tell strangers their version.
            username = str(client.whoami().get("username") or "")
            version = str(client.version()["gitVersion"])
            if version_of(version) < OLDEST:
                oldest = ".".join(str(part) for part in OLDEST)
                raise ProblemError("cluster-too-old", field=field, version=version, oldest=oldest)
            return FirstLook(version, uid_of(client), username)
    except NotFound as error:
        # SelfSubjectReview came with 1.28: what lacks it is older than that.
        raise ProblemError("cluster-too-old", field=field, version="a version before 1.28", oldest="1.29") from error
    except KubeError as error:
        raise told(error, field=field) from error


def version_of(text: str) -> tuple[int, int]:
    """Return major and minor of `v1.31.2+k3s1`; an unreadable version counts as new."""
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (99, 0)


def uid_of(client: KubeClient) -> str:
    """Return the uid of kube-system, which no two clusters share; empty when we may not look."""
    try:
        return str(client.get(kinds.NAMESPACE, "kube-system")["metadata"]["uid"])
    except Forbidden:
        return ""
