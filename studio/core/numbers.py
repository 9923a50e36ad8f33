"""Numbers as people of the field read them: durations, CPU, memory, file sizes, counts. Free of Django."""

from datetime import timedelta

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(value: timedelta | float | None) -> str:
    """Return `value` (seconds or a timedelta) as `0.4 s`, `12 s`, `1 m 12 s`, `2 h 5 m` or `3 d 4 h`."""
    if value is None:
        return "–"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0:
        return "0 s"
    if seconds < 1:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    whole = int(seconds)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h" if h else f"{days} d"
    if hours:
        return f"{hours} h {m} m" if m else f"{hours} h"
    if minutes:
        return f"{minutes} m {s} s" if s else f"{minutes} m"
    return f"{s} s"


def cpu(cores: float | str | None) -> str:
    """Return a number of CPUs (1 = one core) without needless decimals: `4`, `0.5`, `0.25`."""
    return _plain(cores)


def count(value: float | None) -> str:
    """Return a count with thousands separated: `12,345`."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def rate(value: float | None) -> str:
    """Return how many a second: `0.4`, `12`, `1,200`; what is there and below a tenth is `< 0.1`."""
    if value is None:
        return "–"
    if 0 < value < 0.05:
        return "< 0.1"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """Return a time given in ms: `4.2 ms`, `41 ms`, `1.2 s`."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f}".removesuffix(".0") + " ms" if value < 10 else f"{value:.0f} ms"


def memory(size: float | None) -> str:
    """Return bytes in binary units, as Kubernetes has them: `16 GiB`, `1.5 GiB`."""
    return _scaled(size, 1024, _BINARY)


def filesize(size: float | None) -> str:
    """Return bytes in decimal units, as files are given: `1.2 MB`."""
    return _scaled(size, 1000, _DECIMAL)


def _scaled(size: float | None, step: int, units: tuple[str, ...]) -> str:
    if size is None:
        return "–"
    amount = float(size)
    power = 0
    # 999.96 kB would be written 1000 kB: the next unit starts where rounding reaches it.
    while power < len(units) - 1 and round(abs(amount), 1 if abs(amount) < 100 else 0) >= step:
        amount /= step
        power += 1
    return f"{_plain(amount, 1 if amount < 100 else 0)} {units[power]}"


def _plain(value: float | str | None, digits: int = 2) -> str:
    if value is None or value == "":
        return "–"
    text = f"{float(value):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
