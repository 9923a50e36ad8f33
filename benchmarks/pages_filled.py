"""The inner process of `pages`: fills the database in its data folder, finds every page that a person can open, counts its queries.

Prints one JSON object last: the administrator's session, and by address the name of the page and how many queries and how much processor time it takes.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from benchmarks import job_list_pages
from tests.furnish import furnish

# What stands in an address for what changes from one to the next; addresses with anything else are told as left out.
VALUES = {
    "workspace": "team", "deployment": "blue", "version": "1", "type": "gpu", "number": "1", "space": "team", "compute": "gpu",
    "username": "the-contributor", "root": "artifacts", "file": "outputs/model.txt",
}  # fmt: skip
# `name` is what the addresses before it are about.
NAMES = {"jobs": "calm_otter_0", "models": "flowers", "endpoints": "flowers", "clusters": "gpu-a"}
# Not pages: streams, parts that pages ask for, and files.
NO_PAGES = re.compile(
    r"^(live|healthz|readyz|metrics|admin|api|static|accounts/(logout|oidc|2fa/webauthn))|\.(json|zip|pem)$|/(bytes|lines|download|line)/?$"
)
TIMES = 3  # for the processor time of a page
COUNTS = {"nodes": 200, "models": 1000, "endpoints": 200, "people": 500, "audit": 50_000, "notices": 2000, "computes": 30, "clusters": 10}


def main(jobs: int) -> None:
    """Fill, and print what there is."""
    # Asking for what only takes POST is no news.
    logging.disable(logging.WARNING)
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    made = furnish(timezone.now())
    print("filling", flush=True)
    fill(made, jobs)
    client = Client()
    client.force_login(made["people"]["admin"], backend="django.contrib.auth.backends.ModelBackend")
    pages = {}
    for name, path in sorted(addresses(get_resolver().url_patterns)):
        if (found := _looked_at(client, path)) is not None:
            pages[path] = {"name": name, **found}
    print(json.dumps({"session": client.cookies["sessionid"].value, "pages": pages}), flush=True)


def addresses(patterns: Any, prefix: str = "", space: str = "") -> Iterator[tuple[str, str]]:
    """Return name and address of everything that can be asked for with the values above."""
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route, f"{each.namespace or space}")
        elif isinstance(each, URLPattern) and (path := address_of(route)) is not None:
            yield f"{space}:{each.name}".lstrip(":"), path


def address_of(route: str) -> str | None:
    """Return a route with its values filled in; None where there is none, and for what is no page."""
    part = re.search(r"(\w+)/(?:<\w+:workspace>/)?<\w+:name>", route)
    values = VALUES | {"name": NAMES.get(part[1], "") if part else ""}
    missing = [name for name in re.findall(r"<(?:\w+:)?(\w+)>", route) if not values.get(name)]
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values.get(match[1], ""), route.replace("^", "").replace("$", ""))
    return None if missing or "(" in path or NO_PAGES.search(path) else f"/{path}"


def _looked_at(client: Any, path: str) -> dict[str, Any] | None:
    """Return queries and processor time of a page; None for what is no page (only taken by POST, led elsewhere, or not HTML)."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    answer = client.get(path)
    if answer.status_code != 200 or not str(answer.headers["Content-Type"]).startswith("text/html"):
        return None
    began = time.process_time()
    for _ in range(TIMES):
        client.get(path)
    used = (time.process_time() - began) / TIMES
    with CaptureQueriesContext(connection) as seen:
        client.get(path)
    return {"queries": len(seen), "cpu_ms": round(used * 1000, 1)}


def fill(made: dict[str, Any], jobs: int) -> None:
    """Make very many of everything that is listed."""
    from django.utils import timezone

    from compute.models import Cluster, Compute, Node
    from endpoints.models import Endpoint
    from studio.accounts.models import Membership, User
    from studio.assets.models import Model, ModelVersion
    from studio.audit.models import Entry
    from studio.notices.models import Notice

    team, people, now = made["workspace"], made["people"], timezone.now()
    ready, _ = made["clusters"]
    node = Node.objects.filter(cluster=ready).first()
    seen = {key: getattr(node, key) for key in ("ready", "capacity", "allocatable", "requested", "labels", "runs", "pods", "seen_at")}
    Node.objects.bulk_create([Node(cluster=ready, name=f"n{n}", uid=f"n{n}", **seen) for n in range(COUNTS["nodes"])])
    for number in range(COUNTS["clusters"]):
        Cluster.objects.create(name=f"more-{number}", server=f"https://10.3.0.{number}:1", status="ready", seen_at=now)
    Compute.objects.bulk_create(
        [Compute(workspace=team, cluster=ready, name=f"c{n}", namespace=f"c{n}", status="ready") for n in range(COUNTS["computes"])]
    )
    models = [Model(workspace=team, name=f"model-{n}", created_by=people["owner"], last_number=1) for n in range(COUNTS["models"])]
    snapshot = ModelVersion.objects.all()[0].snapshot
    Model.objects.bulk_create(models)
    ModelVersion.objects.bulk_create([ModelVersion(model=each, version="1", snapshot=snapshot, base_name="model") for each in models])
    for number in range(COUNTS["endpoints"]):
        Endpoint.objects.create(name=f"e{number}", status="ready", workspace=team, compute=made["compute"], cluster=ready, namespace="n",
                                compute_name="gpu", created_by=people["owner"])  # fmt: skip
    persons = User.objects.bulk_create([User(username=f"person-{n}", password="!") for n in range(COUNTS["people"])])
    Membership.objects.bulk_create([Membership(user=each, workspace=team, role="reader") for each in persons])
    Notice.objects.bulk_create(
        [Notice(user=people["admin"], kind="job-failed", title=f"Job {n} failed", url="/", about=f"b{n}") for n in range(COUNTS["notices"])]
    )
    Entry.objects.bulk_create(
        [Entry(actor=people["admin"], actor_name="the-admin", via="page", verb="submit", target_kind="job", target_id=str(n),
               target_name=f"job {n}", workspace="team") for n in range(COUNTS["audit"])], batch_size=1000)  # fmt: skip
    _large_job(team)
    job_list_pages.fill([people["contributor"], people["admin"], *persons[:50]], team, 1000, 1000 + jobs)


def _large_job(team: Any) -> None:
    """Give the job whose pages are asked many processes, files and changes of state."""
    from django.utils import timezone

    from jobs.models import Job, Output, Process, Transition

    job, now = Job.objects.get(workspace=team, name=NAMES["jobs"]), timezone.now()
    Process.objects.bulk_create([Process(job=job, index=n, pod_uid=f"p{n}", pod_name=f"p{n}", started_at=now) for n in range(1, 65)])
    Output.objects.bulk_create(
        [Output(job=job, root="artifacts", path=f"outputs/{n}.txt", size=n, digest="sha256:" + "0" * 64) for n in range(2000)]
    )
    Output.objects.create(job=job, root="artifacts", path=VALUES["file"], size=1, digest="sha256:" + "0" * 64)
    Transition.objects.bulk_create([Transition(job=job, old="Queued", status="Running", at=now) for n in range(50)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
