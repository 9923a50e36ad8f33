"""Look for secrets in the files under version control: keys of clouds and services by their form, private keys, our own tokens.

The forms are those of detect-secrets. Its own walk asks every pattern for every line, which takes twenty times as long;
here a pattern is asked for a file. A line that is meant says so, as there: `pragma: allowlist secret`.
"""

import re
import subprocess
import sys
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

ROOT = Path(__file__).resolve().parent.parent
# Forms that made-up examples have as well: addresses, `user:password@host`, and words beside which anything may stand.
TOO_WIDE = {
    "BasicAuthDetector", "CloudantDetector", "IbmCloudIamDetector", "IbmCosHmacDetector", "IPPublicDetector", "PrivateKeyDetector",
    "SoftlayerDetector",
}  # fmt: skip
OURS = {
    "Private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}"),
    "Token of a studio": re.compile(r"\bmrg_[0-9a-f]{8}_[\w-]{43}(?![\w-])"),
    "Key that encrypts": re.compile(r"(?i:encryption_keys?\W{1,4})[\w-]{43}="),
}
MEANT = "pragma: allowlist secret"


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return what is looked for, each with its name."""
    known = [
        (str(kind.secret_type), form)
        for kind in get_mapping_from_secret_type_to_class().values()
        if issubclass(kind, RegexBasedDetector) and kind.__name__ not in TOO_WIDE
        for form in kind().denylist
    ]
    return [*known, *OURS.items()]


def found_in(text: str, looked_for: list[tuple[str, re.Pattern[str]]]) -> list[tuple[int, str]]:
    """Return the lines of a text that hold a secret, and of what kind; never the secret itself."""
    hits = []
    for name, form in looked_for:
        for match in form.finditer(text):
            start = text.rfind("\n", 0, match.start()) + 1
            line = text[start : text.find("\n", match.end()) % (len(text) + 1)]
            if MEANT not in line:
                hits.append((text.count("\n", 0, match.start()) + 1, name))
    return sorted(set(hits))


def main() -> int:
    """Print `file:line: kind` for each secret under version control; 1 when there is one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")  # noqa: S607 git of the PATH
    looked_for, bad = patterns(), 0
    for name in filter(None, listed):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" in content[:8000]:
            continue
        for line, kind in found_in(content.decode("utf-8", "replace"), looked_for):
            print(f"{name}:{line}: {kind}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
