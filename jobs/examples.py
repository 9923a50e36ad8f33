"""Jobs that run as they are, on any compute and the default image: what a first job may be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One example: the form filled in."""

    name: str
    title: str
    command: str


_HELLO = """\
echo "Hello from $(hostname)"
python3 --version
nproc
"""
_PI = """\
mkdir -p outputs
python3 - <<'END'
import random
inside = 0
for n in range(1, 2_000_001):
    inside += random.random() ** 2 + random.random() ** 2 < 1
    if n % 200_000 == 0:
        print(f"{n} points: pi is about {4 * inside / n:.5f}", flush=True)
open("outputs/pi.txt", "w").write(f"{4 * inside / n}\\n")
END
"""
EXAMPLES = {
    one.name: one
    for one in (Example("hello", "Hello from a pod", _HELLO), Example("pi", "Pi by chance, with a log and an output", _PI))
}
