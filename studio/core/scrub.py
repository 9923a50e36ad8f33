"""Take out of a text what looks like a secret, wherever it stands: before it is kept where people will read it."""

import re

HIDDEN = "•••"
_SECRETS = re.compile(
    r"mrg_[0-9a-f]{8}_[\w-]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?i:(?<=bearer )[\w.~+/-]{8,}=*)"
    r"""|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=))[^\s,;)&]+""",
    re.DOTALL,
)


def scrubbed(text: str) -> str:
    """Return `text` with tokens, private keys and passwords hidden."""
    return _SECRETS.sub(HIDDEN, text)
