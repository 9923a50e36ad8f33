"""Work on an operation in legs: whatever an earlier leg left, the release in the cluster says where to go on.

Helm's newest revision is written down before Helm is started. A later leg that finds a newer one knows that it is this
operation's: deployed, the operation goes on from there; failed, it ends so; pending, its Helm was killed, and the
release is mended (back to the last revision that stood, or away with a half install) before Helm is started again.
"""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compute.connections import connection_of, kube_client
from compute.extension import checking, crds, refusals, removing, taken
from compute.extension.chart import Assembled, ChartUnusable, assemble, source_of
from compute.extension.helm import Helm, HelmFailed, HelmMissing, find_program, helm_for
from compute.extension.legs import Hold, Lost, held
from compute.extension.looking import Looker
from compute.extension.models import ExtensionOperation, ExtensionRevision, ExtensionStatus, OperationKind
from compute.extension.notes import BUSY, OUTPUT_CHARS, Notes
from compute.extension.observe import WAITING, Seen, worst
from compute.extension.release import (
    MARK,
    NAMESPACE,
    PENDING,
    RELEASE,
    Entry,
    history,
    last_deployed,
    newest,
    owner,
    read_release,
    stood_last,
)
from compute.extension.values import chart_values
from compute.extension.wanted import Wanted, read
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.manifests import STUDIO
from compute.manifests import namespace as render_namespace
from compute.models import Cluster, StudioIdentity
from compute.network.services import apply_certificate
from compute.problems import told
from compute.router import GATEWAY
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

LEG_SECONDS = 300.0
LOOK_SECONDS = 1.0
HELM_SECONDS = 420.0
HOOK_TIMEOUT = "300s"
HISTORY = "20"
# Somebody else's Helm gets so long before its release counts as left behind (Helm's own default is five minutes).
FOREIGN = timedelta(minutes=6)
# A cluster that does not answer is waited for so long.
AWAY = timedelta(minutes=30)


class _NotNow(Exception):
    """The operation cannot go on now; the text says why, and the sweep comes back to it."""


def run_operation(operation_id: int) -> None:
    """Work on an operation until it ends, the leg's time is over, or the worker stops."""
    with held(operation_id) as hold:
        if hold is None:
            return
        operation = ExtensionOperation.objects.select_related("extension__cluster", "actor").get(pk=operation_id)
        _Leg(operation, hold).run()


class _Leg:
    """One leg of one operation."""

    def __init__(self, operation: ExtensionOperation, hold: Hold) -> None:
        self.operation = operation
        self.hold = hold
        self.notes = Notes(operation)
        self.extension = operation.extension
        self.cluster: Cluster = operation.extension.cluster
        self.wanted: Wanted = read(operation.settings)[0]
        self.ends = time.monotonic() + LEG_SECONDS

    def run(self) -> None:
        """Go on from where the operation stands; every error that a person can do something about ends it."""
        operation = self.operation
        move(self.extension, BUSY[OperationKind(operation.kind)], expect=[each for each in ExtensionStatus.values
                                                                            if each != BUSY[OperationKind(operation.kind)]])  # fmt: skip
        if self.extension.reason:
            touch(self.extension, reason="", problem_id="")
        self.notes.begin()
        try:
            client = kube_client(self.cluster)
            if operation.kind == OperationKind.REMOVE:
                self._remove(client)
            else:
                self._bring(client)
        except Lost:
            return
        except _NotNow as wait:
            self._later(str(wait), ProblemError("extension-pending", text=str(wait)))
        except ProblemError as problem:
            self._fail(problem)
        except (KubeError, KubeconfigRefused) as error:
            if isinstance(error, KubeError) and error.retryable:
                self._later(f"Waiting: {error}", told(error))
            else:
                self._fail(told(error))
        except HelmMissing as error:
            self._fail(ProblemError("extension-helm-missing", text=str(error)))
        except ChartUnusable as error:
            self._fail(ProblemError("extension-charts-missing", text=str(error)))
        except HelmFailed as error:
            self._fail(ProblemError("extension-helm-failed", text=error.text), output=error.output)
        except TimeoutError as error:
            self._later(str(error), ProblemError("extension-degraded", text=str(error)))

    # Bringing a revision into the cluster

    def _bring(self, client: KubeClient) -> None:
        if self.operation.submitted_at is None:
            program = find_program(settings.HELM)
            with helm_for(connection_of(self.cluster), program, settings.DATA / "tmp", str(self.operation.pk)) as helm:
                if self.operation.kind == OperationKind.ROLLBACK:
                    self._certificate()
                    self._submit(client, helm, self._rollback_arguments())
                else:
                    chart = self._prepare(client, helm)
                    self._submit(client, helm, self._upgrade_arguments(helm, chart))
        self._follow(client)

    def _prepare(self, client: KubeClient, helm: Helm) -> Assembled:
        """Do everything that goes before Helm; each step looks first whether it is done."""
        checked = self.notes.is_done("check")
        if not checked:
            self.notes.step("check", "moving", "Asking the cluster")
            problems = checking.check(self.cluster, client, self.wanted, take_over=self.operation.take_over)
            if problems:
                raise problems[0]
        chart = assemble(helm, source_of(settings), router=self.wanted.enable_inference)
        if not checked:
            names = taken.taken_of(client, helm.rendered(RELEASE, chart.folder, NAMESPACE, self._values(helm)))
            if names:
                raise ProblemError("extension-name-in-use", text=taken.sentence(names))
            self.notes.step("check", "done")
        _make_namespace(client)
        if self.wanted.enable_inference:
            self._definitions(client, chart)
        else:
            self.notes.step("definitions", "skipped", "The router is not installed")
        self._certificate()
        return chart

    def _definitions(self, client: KubeClient, chart: Assembled) -> None:
        self.notes.step("definitions", "moving", "Comparing")
        wanted = [*chart.gateway_api_crds, *chart.envoy_gateway_crds]
        plan = crds.plan(wanted, crds.present(client, wanted), source=chart.version)
        if plan.conflicts:
            raise ProblemError("extension-crd-conflict", text="; ".join(plan.conflicts) + ".")
        if plan.apply:
            self.notes.step("definitions", "moving", f"Applying {len(plan.apply)}")
            crds.apply_plan(client, plan, StudioIdentity.get(), check=self.hold.check)
        self.notes.step("definitions", "done", plan.text)

    def _certificate(self) -> None:
        if not self.wanted.has_tls:
            self.notes.step("certificate", "skipped", "The router does not speak TLS")
        elif self.wanted.ssl_secret:
            self.notes.step("certificate", "done", f"Secret {self.wanted.ssl_secret}")
        else:
            self.notes.step("certificate", "moving", "Bringing it into the cluster")
            if not apply_certificate(self.cluster):
                text = f"The router is to answer as {self.wanted.ssl_cname} over TLS, and its certificate could not be brought there."
                raise ProblemError("extension-certificate-missing", text=text)
            self.notes.step("certificate", "done", "In the cluster")

    def _upgrade_arguments(self, helm: Helm, chart: Assembled) -> list[str]:
        labels = f"{MARK}={self.operation.pk},{STUDIO}={StudioIdentity.get()}"
        return ["upgrade", RELEASE, str(chart.folder), "--install", "--namespace", NAMESPACE, "--values", str(self._values(helm)),
                "--skip-crds", "--reset-values", "--labels", labels, "--history-max", HISTORY, "--timeout", HOOK_TIMEOUT,
                "--server-side=true", "--force-conflicts"]  # fmt: skip

    def _values(self, helm: Helm) -> Path:
        return helm.write("values.yaml", chart_values(self.wanted, settings.EXTENSION_IMAGES, studio=StudioIdentity.get()))

    def _rollback_arguments(self) -> list[str]:
        target = self.extension.revisions.filter(number=self.operation.target or 0, kept=True).first()
        if target is None:
            raise ProblemError("extension-revision-gone", number=self.operation.target)
        return ["rollback", RELEASE, str(target.helm_revision), "--namespace", NAMESPACE, "--history-max", HISTORY, "--timeout",
                HOOK_TIMEOUT, "--force-conflicts"]  # fmt: skip

    # Helm

    def _submit(self, client: KubeClient, helm: Helm, arguments: list[str]) -> None:
        """Run Helm unless an earlier leg's Helm has done the work."""
        self.notes.step("helm", "moving", "Looking at the release")
        entries = history(client)
        before, last = self.operation.helm_before, newest(entries)
        if before is not None and last is not None and last.revision > before and last.status not in (*PENDING, "uninstalling"):
            if last.status != "deployed":
                found = read_release(client, last.revision)
                raise HelmFailed(f"{last.status}: {found.description if found else ''}".strip(": "), self.operation.output)
            self._submitted(client, entries)
            return
        last = self._mended(client, helm, entries, ours=before is not None)
        self.notes.keep(helm_before=last.revision if last else 0)
        self.notes.step("helm", "moving", f"helm {arguments[0]}")
        output = helm.run(arguments, seconds=HELM_SECONDS, while_it_runs=self._watching_helm(client))
        self.notes.keep(output=output[-OUTPUT_CHARS:])
        entries = history(client)
        last = newest(entries)
        if last is None or last.status != "deployed":
            raise HelmFailed(f"The release is {last.status if last else 'not there'} after Helm ended well.", output)
        self._submitted(client, entries)

    def _mended(self, client: KubeClient, helm: Helm, entries: list[Entry], *, ours: bool) -> Entry | None:
        """Return Helm's newest revision after mending one that a killed Helm left in between."""
        last = newest(entries)
        if last is None or last.status not in (*PENDING, "uninstalling"):
            return last
        if not ours and timezone.now().timestamp() - last.at < FOREIGN.total_seconds():
            raise _NotNow(f"The release is {last.status}: Helm is at work on it, or was until a moment ago.")
        if last.status == "uninstalling" and self.operation.kind == OperationKind.ROLLBACK:
            # The history is there still, and with it what is to be brought back.
            return last
        stood = stood_last(entries)
        if stood and last.status in PENDING:
            self.notes.step("helm", "moving", f"The release was left {last.status}: going back to Helm's revision {stood.revision}")
            # The revision that mends is not what this operation is to bring: a leg that finds it standing goes on after it.
            self.notes.keep(helm_before=last.revision + 1)
            helm.run(["rollback", RELEASE, str(stood.revision), "--namespace", NAMESPACE, "--history-max", HISTORY, "--timeout",
                      HOOK_TIMEOUT, "--force-conflicts"], seconds=HELM_SECONDS, while_it_runs=self.hold.check)  # fmt: skip
        else:
            self.notes.step("helm", "moving", f"The release was left {last.status}: removing what it has made")
            removing.uninstall(client, helm, check=self.hold.check)
        return newest(history(client))

    def _watching_helm(self, client: KubeClient) -> Any:
        """Return what is done while Helm runs: keep the lease, and show the objects that it makes."""
        looker = Looker(client)
        looked = 0.0

        def look() -> None:
            nonlocal looked
            self.hold.check()
            if time.monotonic() - looked < LOOK_SECONDS:
                return
            try:
                last = newest(history(client))
                if last is not None and last.revision > (self.operation.helm_before or 0):
                    self.notes.objects(looker.look(read_release(client, last.revision), hooks=True))
            except KubeError as error:
                log.info("objects could not be looked at", operation=self.operation.pk, error=str(error))
            looked = time.monotonic()

        return look

    def _submitted(self, client: KubeClient, entries: list[Entry]) -> None:
        """Note what stands in the cluster now as a revision; once, however often an operation is taken up."""
        entry = entries[-1]
        found = read_release(client, entry.revision)
        if found is None:
            raise HelmFailed(f"Helm's revision {entry.revision} cannot be read.", self.operation.output)
        operation, extension = self.operation, self.extension
        with transaction.atomic():
            row = extension.revisions.filter(helm_revision=entry.revision, kept=True).first()
            if row is None:
                last = extension.revisions.order_by("-number").first()
                row = ExtensionRevision.objects.create(
                    extension=extension,
                    number=last.number + 1 if last else 1,
                    helm_revision=entry.revision,
                    kind=operation.kind,
                    of=operation.target,
                    settings=operation.settings,
                    charts=found.charts,
                    digest=found.digest,
                    manifest=found.manifest,
                    actor=operation.actor,
                )
            type(extension).objects.filter(pk=extension.pk).update(revision=row.number, settings=operation.settings)
            # Newer ones push the oldest out of Helm's history: they cannot be brought back any more.
            extension.revisions.filter(kept=True).exclude(helm_revision__in=[each.revision for each in entries]).update(kept=False)
            extension.refresh_from_db()
            self.notes.keep(submitted_at=operation.submitted_at or timezone.now())
        self.notes.step("helm", "done", f"Revision {row.number} (Helm's {entry.revision})")

    # Following

    def _follow(self, client: KubeClient) -> None:
        """Show the objects until all are ready, or their time is over."""
        last = last_deployed(history(client))
        found = read_release(client, last.revision) if last else None
        if found is None:
            raise HelmFailed("The release is not in the cluster any more.", self.operation.output)
        looker = Looker(client)
        # What the proxies refuse is told by the looks afterwards, which go on from the one before.
        proxies = {key: value for key, value in self.extension.router.items() if key == "proxies"}
        while True:
            self.hold.check()
            seen = looker.look(found)
            self.notes.objects(seen)
            rows = [each.as_row() for each in seen]
            state, text = worst(rows)
            router = looker.router(self.wanted) if self.wanted.enable_inference else {}
            facts: dict[str, Any] = {"health": rows, "seen_at": timezone.now(), "router": router | {"ready": state == "ready"} | proxies}
            if state == "ready":
                if self.wanted.enable_inference:
                    # What is counted now is where the first look afterwards goes on from.
                    facts["router"]["proxies"] = refusals.look(client, self.extension.router.get("proxies") or {})[0]
                self.notes.objects(seen, at_once=True)
                self.notes.step("objects", "done", f"All {len(seen)} are there and ready")
                self.notes.done(ExtensionStatus.READY, **facts)
                return
            ready = sum(1 for each in seen if each.state == "ready")
            self.notes.step("objects", "moving", f"{ready} of {len(seen)} ready. {text}")
            problem = self._too_late(seen, text)
            if problem:
                self.notes.objects(seen, at_once=True)
                self.notes.failed(problem, ExtensionStatus.DEGRADED, **facts)
                return
            if time.monotonic() > self.ends:
                nudge("compute.run_extension", self.operation.pk)
                return
            time.sleep(LOOK_SECONDS)

    def _too_late(self, seen: list[Seen], text: str) -> ProblemError | None:
        submitted = self.operation.submitted_at
        assert submitted is not None
        waited = (timezone.now() - submitted).total_seconds()
        left = [each for each in seen if each.state != "ready"]
        # Without an address the Gateway is not programmed, either: those two and nothing else.
        only_address = all(each.kind in ("Service", "Gateway") and each.state == WAITING for each in left)
        no_address = any(each.kind == "Service" and each.name == GATEWAY for each in left)
        if self.wanted.service_type == "loadBalancer" and no_address and only_address and waited > settings.EXTENSION_ADDRESS_SECONDS:
            return ProblemError("extension-no-address", seconds=settings.EXTENSION_ADDRESS_SECONDS)
        if waited > settings.EXTENSION_READY_SECONDS:
            return ProblemError("extension-not-ready", seconds=settings.EXTENSION_READY_SECONDS, text=text)
        return None

    # Removing

    def _remove(self, client: KubeClient) -> None:
        other = owner(client)
        if other not in (None, StudioIdentity.get()):
            # It was taken over: what is in the cluster is no longer this studio's to remove.
            self.notes.step("helm", "skipped", checking.owned_elsewhere(str(other)).text)
            self._removed()
            return
        program = find_program(settings.HELM)
        with helm_for(connection_of(self.cluster), program, settings.DATA / "tmp", str(self.operation.pk)) as helm:
            self.notes.step("router", "moving", "Ending requests, then taking Envoy down")
            removing.take_down_router(client, check=self.hold.check)
            self.notes.step("router", "done")
            self.notes.step("helm", "moving", "helm uninstall")
            output = removing.uninstall(client, helm, check=self.hold.check)
            self.notes.keep(output=output[-OUTPUT_CHARS:])
            self.notes.step("helm", "done")
            self.notes.step("leftovers", "moving", "Secrets and Jobs of Envoy Gateway")
            removing.clear_leftovers(client)
            self.notes.step("leftovers", "done", "The definitions and the namespace stay")
        self._removed()

    def _removed(self) -> None:
        self.extension.revisions.update(kept=False)
        self.notes.done(ExtensionStatus.ABSENT, revision=0, settings={}, health=[], router={}, seen_at=timezone.now())

    # Ends

    def _fail(self, problem: ProblemError, *, output: str = "") -> None:
        """End the operation; the extension is what it was before as far as anything stands."""
        stands = self.extension.revision > 0
        status = ExtensionStatus.FAILED if not stands or self.operation.kind == OperationKind.REMOVE else ExtensionStatus.DEGRADED
        self.notes.failed(problem, status, output=output)

    def _later(self, why: str, problem: ProblemError) -> None:
        """Leave the operation open for the sweep, unless it has waited long enough."""
        if timezone.now() - self.operation.started_at > AWAY:
            self._fail(problem)
        elif self.operation.reason != why[:500]:
            self.notes.keep(reason=why[:500])


def _make_namespace(client: KubeClient) -> None:
    if client.find(kinds.NAMESPACE, NAMESPACE) is None:
        client.apply(kinds.NAMESPACE, render_namespace(NAMESPACE, studio=StudioIdentity.get()))
