"""Write down how an operation goes: its steps, its objects, and its end, each at once on the pages that show it."""

import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from compute.extension.models import OPEN, Extension, ExtensionOperation, ExtensionStatus, OperationKind, OperationStatus
from compute.extension.observe import Seen
from studio.core.errors import ProblemError
from studio.core.states import move, touch
from studio.live.bus import publish

WRITE_SECONDS = 1.0
OUTPUT_CHARS = 8000
STEPS = {
    OperationKind.INSTALL: ("check", "definitions", "certificate", "helm", "objects"),
    OperationKind.CHANGE: ("check", "definitions", "certificate", "helm", "objects"),
    OperationKind.ROLLBACK: ("helm", "objects"),
    OperationKind.REMOVE: ("router", "helm", "leftovers"),
}
TITLES = {
    "check": "Settings checked against the cluster",
    "definitions": "Definitions of the Gateway API and Envoy Gateway",
    "certificate": "Certificate of the router",
    "helm": "Helm",
    "objects": "Objects ready",
    "router": "Router taken down",
    "leftovers": "What Helm leaves removed",
}
BUSY = {
    OperationKind.INSTALL: ExtensionStatus.INSTALLING,
    OperationKind.CHANGE: ExtensionStatus.UPDATING,
    OperationKind.ROLLBACK: ExtensionStatus.ROLLING_BACK,
    OperationKind.REMOVE: ExtensionStatus.REMOVING,
}


class Notes:
    """The open operation's row, and the extension's with it."""

    def __init__(self, operation: ExtensionOperation) -> None:
        self.operation = operation
        self.extension: Extension = operation.extension
        self._written = 0.0
        if not operation.steps:
            kinds = STEPS[OperationKind(operation.kind)]
            operation.steps = [{"key": key, "title": TITLES[key], "state": "pending", "text": ""} for key in kinds]

    def begin(self) -> None:
        """Say that it is being worked on."""
        self._save(status=OperationStatus.RUNNING, steps=self.operation.steps)

    def step(self, key: str, state: str, text: str = "") -> None:
        """Say how one step is: `moving`, `done`, `failed` or `skipped`."""
        for row in self.operation.steps:
            if row["key"] == key and (row["state"], row["text"]) != (state, text[:400]):
                row |= {"state": state, "text": text[:400]}
                self._save(steps=self.operation.steps, reason=text[:500] if state == "moving" else self.operation.reason)

    def is_done(self, key: str) -> bool:
        """Tell whether an earlier leg has done a step."""
        return any(row["key"] == key and row["state"] == "done" for row in self.operation.steps)

    def objects(self, seen: list[Seen], *, at_once: bool = False) -> None:
        """Say how the objects are, at most once a second."""
        rows = [each.as_row() for each in seen]
        now = time.monotonic()
        if rows == self.operation.objects_seen or (now - self._written < WRITE_SECONDS and not at_once):
            return
        self._written = now
        self._save(objects_seen=rows)

    def keep(self, **values: Any) -> None:
        """Keep facts of the operation."""
        self._save(**values)

    def done(self, status: str, *, reason: str = "", **facts: Any) -> None:
        """End the operation well."""
        with transaction.atomic():
            if self._end(OperationStatus.DONE, reason=reason):
                self._settle(status, reason=reason, problem_id="", **facts)

    def failed(self, problem: ProblemError, status: str, *, output: str = "", **facts: Any) -> None:
        """End the operation with a problem, and say so on the extension."""
        kept = {"id": problem.problem.id, "title": problem.title, "text": problem.text, "todo": problem.todo}
        for row in self.operation.steps:
            if row["state"] == "moving":
                row |= {"state": "failed", "text": problem.text[:400]}
        with transaction.atomic():
            values: dict[str, Any] = {"problem": kept, "problem_id": problem.problem.id, "steps": self.operation.steps}
            if output:
                values["output"] = output[-OUTPUT_CHARS:]
            if self._end(OperationStatus.FAILED, reason=problem.text[:500], **values):
                self._settle(status, reason=problem.text[:500], problem_id=problem.problem.id, **facts)

    def _end(self, status: str, **values: Any) -> bool:
        """Close the operation if it is still open: whoever comes second changes nothing."""
        values |= {"status": status, "ended_at": timezone.now()}
        ended = ExtensionOperation.objects.filter(pk=self.operation.pk, status__in=OPEN).update(**values)
        for name, value in values.items():
            setattr(self.operation, name, value)
        self._announce()
        return bool(ended)

    def _settle(self, status: str, **values: Any) -> None:
        self.extension.refresh_from_db()
        if self.extension.status == status:
            touch(self.extension, **values)
            self.extension.announce()
        else:
            move(self.extension, status, expect=self.extension.status, **values)

    def _save(self, **values: Any) -> None:
        ExtensionOperation.objects.filter(pk=self.operation.pk, status__in=OPEN).update(**values)
        for name, value in values.items():
            setattr(self.operation, name, value)
        self._announce()

    def _announce(self) -> None:
        publish(f"extension:{self.extension.cluster.name}", "changed", {"operation": self.operation.pk, "status": self.operation.status})
