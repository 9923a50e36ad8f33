"""`docs/benchmarks.md` from the JSON objects of the benchmarks: `python -m benchmarks report FILE...`.

`docs/benchmarks.json` keeps the newest result of each, and the one before it that was committed, to compare with.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.databases import POSTGRESQL
from benchmarks.limits import LIMITS, Limit
from benchmarks.machine import ROOT
from benchmarks.picture import Bar, drawn
from benchmarks.process import NotThereError

KEPT, PAGE, PICTURE = Path("docs/benchmarks.json"), Path("docs/benchmarks.md"), Path("docs/images/benchmarks.svg")
NOTES = Path("benchmarks/notes")
ON_POSTGRESQL = " (PostgreSQL)"
INTRODUCTION = """\
# Figures

How fast the studio is and how much it needs, against what was asked for. Written by `make bench`, or by
`python -m benchmarks report FILE...` from what single benchmarks have printed; changes by hand are lost. What each key means:
[benchmarks](contributors/benchmarks.md).
"""
REPEAT = """\
## How to repeat

```
make bench                                              # all of them, about three hours and a half; then this page
python -m benchmarks NAME --json | tee NAME.log         # one of them; some take --database postgresql, too
python -m benchmarks report NAME.log                    # its figures into this page
```

Nothing else should run on the machine: look at the load that stands beside each run. `before` is the result that was committed last.
"""


def write(files: Sequence[Path]) -> list[str]:
    """Take the results of some files into the kept ones and write the page and its picture; return what was taken."""
    fresh = [result_of(path.read_text(encoding="utf-8", errors="replace"), str(path)) for path in files]
    kept = merged(_read((ROOT / KEPT).read_text(encoding="utf-8") if (ROOT / KEPT).exists() else ""), _read(_committed()), fresh)
    (ROOT / KEPT).write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (ROOT / PICTURE).write_text(drawn(bars(kept["results"])), encoding="utf-8")
    notes = {path.stem: path.read_text(encoding="utf-8").strip() for path in sorted((ROOT / NOTES).glob("*.md"))}
    (ROOT / PAGE).write_text(page(kept, notes), encoding="utf-8")
    return [key_of(each) for each in fresh]


def result_of(text: str, where: str) -> dict[str, Any]:
    """Return the last JSON object of what a benchmark printed; one of a quick run is refused."""
    for line in reversed(text.splitlines()):
        if line.startswith('{"name"'):
            result: dict[str, Any] = json.loads(line)
            if result.get("quick"):
                raise NotThereError(f"{where} is of a quick run: its figures say little")
            if result["name"] not in LIMITS:
                raise NotThereError(f"{where} is of “{result['name']}”, which has no limits")
            return result
    raise NotThereError(f"{where} has no JSON object of a benchmark")


def _kept(result: dict[str, Any]) -> dict[str, Any]:
    """Return what stays of a result: what each single page took is for who measures, and would be most of the file."""
    return {key: value for key, value in result.items() if key != "by_page"}


def merged(kept: dict[str, Any], committed: dict[str, Any], fresh: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what to keep: fresh results take the place of the old, the committed ones they replace are those before."""
    results, before = dict(kept.get("results", {})), dict(kept.get("before", {}))
    for result in fresh:
        key = key_of(result)
        results[key] = result
        last = committed.get("results", {}).get(key)
        if last is not None and last["at"] != result["at"]:
            figures = {each.key: each.figure(last) for each in LIMITS[result["name"]]}
            before[key] = {"at": last["at"], "commit": last["commit"], "figures": figures}
    keys = [f"{name}{on}" for name in LIMITS for on in ("", ON_POSTGRESQL)]
    return {"results": {key: _kept(results[key]) for key in keys if key in results}, "before": {key: before[key] for key in keys if key in before}}


def key_of(result: dict[str, Any]) -> str:
    """Return under what a result is kept: its name, and the database where that is another than the usual one."""
    return f"{result['name']}{ON_POSTGRESQL if result.get('database') == POSTGRESQL else ''}"


def page(kept: dict[str, Any], notes: dict[str, str]) -> str:
    """Return the page as Markdown."""
    results, before = kept["results"], kept["before"]
    rows = [
        row(key, limit, result, before.get(key))
        for key, result in results.items()
        for limit in LIMITS[result["name"]]
        if limit.bound is not None or limit.figure(result) is not None
    ]
    missing = [name for name in LIMITS if name not in results]
    parts = [
        INTRODUCTION,
        "![How much of its limit each figure uses](images/benchmarks.svg)\n",
        "| benchmark | key | figure | limit | met | before |\n| --- | --- | ---: | ---: | --- | ---: |\n" + "\n".join(rows) + "\n",
        *([f"Not measured yet: {', '.join(f'`{name}`' for name in missing)}.\n"] if missing else []),
        "## The runs\n",
        "| benchmark | when | commit | took | load before | machine | settings |\n| --- | --- | --- | ---: | ---: | --- | --- |\n"
        + "\n".join(run_row(each) for each in results.values())
        + "\n",
    ]
    told = [f"### `{name}`\n\n{notes[name]}\n" for name in LIMITS if name in notes]
    if told:
        parts += ["## Where the time goes\n", *told]
    return "\n".join([*parts, REPEAT])


def row(name: str, limit: Limit, result: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Return the table's line of one figure."""
    met = "" if limit.bound is None else {True: "yes", False: "**no**", None: "not measured"}[limit.met(result)]
    last = number(before["figures"].get(limit.key)) if before else ""
    return f"| `{name}` | `{limit.key}` | {number(limit.figure(result))} | {limit} | {met} | {last} |"


def run_row(result: dict[str, Any]) -> str:
    """Return the table's line of one run."""
    machine = result["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mb'] // 1024} GiB, Python {machine['python']}"
    settings = ", ".join(f"{key} {value}" for key, value in result.get("settings", {}).items() if not isinstance(value, dict))
    took = f"{result['took_seconds']:.0f} s"
    return f"| `{key_of(result)}` | {result['at'][:16]} | `{result['commit']}` | {took} | {machine['load_1m']} | {where} | {settings} |"


def bars(results: dict[str, Any]) -> list[Bar]:
    """Return the figures whose limit is no zero, in terms of it."""
    return [
        Bar(f"{name} {limit.key}", used, f"{number(limit.figure(result))} ({limit})")
        for name, result in results.items()
        for limit in LIMITS[result["name"]]
        if limit.bound and (used := limit.used(result)) is not None
    ]


def number(value: float | None) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:g}"


def _read(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text.strip() else {}


def _committed() -> str:
    """Return the kept results as the last commit has them, nothing when it has none."""
    done = subprocess.run(["git", "show", f"HEAD:{KEPT}"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout if done.returncode == 0 else ""
