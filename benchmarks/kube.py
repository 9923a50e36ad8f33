"""The API server as the measurements see it: straight, without the studio between."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx

from sandbox.api_server import ApiServer


class JobWatch:
    """Note when each Job of a namespace appeared in the API server, by the name that its annotation gives."""

    def __init__(self, server: ApiServer, namespace: str, annotation: str) -> None:
        self.annotation = annotation
        self.path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.http = server.client(read_seconds=600)
        self.seen: dict[str, list[tuple[str, float]]] = {}
        self.uids: set[str] = set()
        self.problem = ""
        self._stopped = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> JobWatch:
        self._thread.start()
        if not self._begun.wait(20):
            raise TimeoutError(f"the watch of Jobs did not begin: {self.problem}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.http.close()

    def wait_for(self, names: set[str], seconds: float) -> set[str]:
        """Wait until Jobs of all these names were seen; return those that never were."""
        deadline = time.monotonic() + seconds
        while (missing := names - self.seen.keys()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return missing

    def arrived(self, name: str) -> float | None:
        """Return when (time.time()) the first Job of a name appeared."""
        return self.seen[name][0][1] if name in self.seen else None

    def doubled(self) -> int:
        """Return how many Jobs appeared beyond one a name."""
        return sum(len(each) - 1 for each in self.seen.values())

    def _run(self) -> None:
        version = ""
        while not self._stopped.is_set():
            try:
                if not version:
                    version = self._list()
                version = self._watch(version)
            except (httpx.HTTPError, RuntimeError, OSError, ValueError) as error:
                # A closed client at the end is no problem; anything else is read again from a fresh list.
                self.problem, version = str(error), ""
                self._stopped.wait(0.2)

    def _list(self) -> str:
        answer = self.http.get(self.path).raise_for_status().json()
        for one in answer["items"]:
            self._note(one, time.time())
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        with self.http.stream("GET", self.path, params=query) as answer:
            answer.raise_for_status()
            self._begun.set()
            for line in answer.iter_lines():
                at = time.time()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return ""
                version = str(event["object"]["metadata"]["resourceVersion"])
                if event["type"] == "ADDED":
                    self._note(event["object"], at)
        return version

    def _note(self, job: dict[str, Any], at: float) -> None:
        metadata = job["metadata"]
        name = (metadata.get("annotations") or {}).get(self.annotation)
        if name and metadata["uid"] not in self.uids:
            self.uids.add(metadata["uid"])
            self.seen.setdefault(name, []).append((metadata["uid"], at))
