"""Look at the objects of the extension in a cluster: those of the release, and those that Envoy Gateway makes from them."""

from collections.abc import Iterable
from typing import Any

from compute.extension.observe import Seen, locate, made, observe
from compute.extension.release import NAMESPACE, Release
from compute.extension.wanted import Wanted
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import Forbidden, NotFound
from compute.kube.kinds import Kind
from compute.router import GATEWAY

Object = dict[str, Any]

# Asked for anew at each look; the others are settled once they were seen.
LIVELY = {"Deployment", "Service", "Gateway", "GatewayClass", "SecurityPolicy", "ClientTrafficPolicy", "Job"}


class Looker:
    """Look at a release again and again, asking no more than what may have changed."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self._kinds: dict[tuple[str, str], Kind | None] = {}
        self._settled: dict[tuple[str, str, str], Seen] = {}

    def look(self, release: Release | None, *, hooks: bool = False) -> list[Seen]:
        """Return the state of each object, those that do something first; `hooks` adds Jobs that Helm runs on the way."""
        rendered = list(release.objects) if release else []
        rendered += made(rendered)
        if release and hooks:
            rendered += [hook for hook in release.hooks if hook.get("kind") == "Job"]
        pods = self._pods()
        seen = [self._one(each, pods) for each in rendered]
        # A Job that is gone was deleted when it had done its work.
        seen = [each for each in seen if each.kind != "Job" or each.state != "missing"]
        return sorted(seen, key=lambda each: not each.main)

    def router(self, wanted: Wanted) -> dict[str, Any]:
        """Return where the router answers, as far as the cluster says."""
        service = self.client.find(kinds.SERVICE, GATEWAY, NAMESPACE)
        return locate(wanted, service, self.client.list(kinds.NODE))

    def _one(self, rendered: Object, pods: list[Object]) -> Seen:
        metadata = rendered["metadata"]
        key = (rendered["kind"], str(metadata.get("namespace") or ""), metadata["name"])
        if key in self._settled:
            return self._settled[key]
        found = self._find(rendered)
        seen = observe(rendered, found, _selected(found, pods) if found else ())
        if rendered["kind"] not in LIVELY and found is not None:
            self._settled[key] = seen
        return seen

    def _find(self, rendered: Object) -> Object | None:
        kind = self.kind_of(rendered)
        if kind is None:
            return None
        metadata = rendered["metadata"]
        place = str(metadata.get("namespace") or NAMESPACE) if kind.namespaced else None
        try:
            return self.client.find(kind, metadata["name"], place)
        except Forbidden:
            # Whoever may not look at it may have made it nonetheless: it does not hold anything up.
            return {"metadata": {}}

    def kind_of(self, rendered: Object) -> Kind | None:
        """Return the kind by which the API server knows an object; None when it does not."""
        api, name = str(rendered["apiVersion"]), str(rendered["kind"])
        if (api, name) not in self._kinds:
            group, _, version = api.rpartition("/")
            root = f"/apis/{api}" if group else f"/api/{version}"
            try:
                resources = self.client.call("GET", root).get("resources") or []
            except NotFound:
                return None
            for each in resources:
                if "/" not in each["name"]:
                    self._kinds[(api, each["kind"])] = Kind(group, version, each["name"], each["kind"], bool(each["namespaced"]))
        return self._kinds.get((api, name))

    def _pods(self) -> list[Object]:
        try:
            return self.client.list(kinds.POD, NAMESPACE)
        except (Forbidden, NotFound):
            return []


def _selected(found: Object, pods: Iterable[Object]) -> list[Object]:
    """Return the pods that an object's selector names."""
    wanted = ((found.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    if not wanted:
        return []
    return [pod for pod in pods if wanted.items() <= (pod["metadata"].get("labels") or {}).items()]
