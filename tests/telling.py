"""The end of a run: what failed or was asked once more, a line each, after everything else that pytest prints.

Who has but the end of a long output sees there which tests they were and why, those that passed at the second time too.
"""

from __future__ import annotations

from typing import Any

LONGEST = 400


def tell(reporter: Any) -> None:
    """Print a line for each report that is a failure, an error or a first attempt that failed."""
    lines = [_line(outcome, report) for outcome in ("rerun", "error", "failed") for report in reporter.stats.get(outcome, ())]
    if lines:
        reporter.section("what failed, a line each")
        for line in lines:
            reporter.line(line)


def _line(outcome: str, report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    why = crash.message if crash else str(report.longrepr)
    where = f" ({crash.path.rpartition('/')[2]}:{crash.lineno})" if crash else ""
    return f"{outcome.upper()} {report.nodeid}{where}: {' '.join(why.split())[:LONGEST]}"
