"""Ask whether a package that is used has a vulnerability that was made public (pip-audit, for Python's).

The service is asked for a release first of which everybody knows some: where it does not tell of those, it was not
reached, and that is said instead of a success. Fails on a finding and on nothing else.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KNOWN_BAD = "jinja2==2.10"  # CVE-2019-10906
LOCKS = ("requirements/dev.lock", "requirements/uv.lock")
SECONDS = 300


def asked(requirements: Path, *more: str) -> list[dict[str, Any]] | None:
    """Return what pip-audit says of each package of a file, or None when it could not say anything."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--disable-pip", *more]
    try:
        done = subprocess.run([*command, "-r", str(requirements)], capture_output=True, text=True, timeout=SECONDS, check=False)
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return None


def findings(answers: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each vulnerability."""
    return [
        f"{each['name']} {each['version']}: {one['id']}, mended in {', '.join(one.get('fix_versions') or []) or 'no version yet'}"
        for each in answers
        for one in each.get("vulns") or []
    ]


def main() -> int:
    """Print what was found, or that nothing could be; 1 only when something was."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(KNOWN_BAD + "\n", encoding="utf-8")
        reached = findings(asked(probe, "--no-deps") or [])
    if not reached:
        print("not reachable: the service that knows of vulnerabilities tells nothing from here")
        return 0
    answers = [asked(ROOT / lock, "--require-hashes") for lock in LOCKS]
    found = [line for answer in answers for line in findings(answer or [])]
    unknown = [each["name"] for answer in answers for each in answer or [] if each.get("skip_reason")]
    print("\n".join(found) or "no vulnerability is known")
    if unknown or None in answers:
        print(f"not asked: {', '.join(unknown) or 'a lock could not be read'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
