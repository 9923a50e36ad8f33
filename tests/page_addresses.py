"""The address of every page that one can look at, for the rows that `tests/furnish.py` makes."""

from __future__ import annotations

import re

from tests.access_table import TABLE

NAMED = {"workspace": "team", "space": "team", "compute": "gpu", "type": "small", "deployment": "blue", "number": "1", "version": "1",
         "table": "jobs", "username": "the-reader"}  # fmt: skip
OF = {"jobs/": "calm_otter_2", "models/": "flowers", "endpoints/": "flowers", "clusters/": "gpu-a"}


def addresses() -> list[str]:
    """Return the path of every page that one can look at, for the rows that are furnished."""
    found = ["/ops/design/", "/docs/problems/not-found", "/docs/users/jobs"]
    for method, pattern in TABLE:
        if method != "GET" or re.search(r"\.(zip|json|pem|csv)$|/(bytes|download|lines|export)/?$|<path:", pattern) or pattern.startswith(("api/", "runner/", "live/", "healthz", "readyz", "metrics")):
            continue
        names = dict(NAMED)
        for part, name in OF.items():
            if part in pattern:
                names["name"] = name
        path = "/" + pattern
        for name, value in names.items():
            path = re.sub(rf"<(?:\w+:)?{name}>", value, path)
        if "<" not in path:
            found.append(path)
    return sorted(set(found))
