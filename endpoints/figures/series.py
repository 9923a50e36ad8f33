"""Figures as the pages show them: of the last minutes, and over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from endpoints.figures.counting import Amounts, Count, by_class, quantile
from endpoints.figures.models import RouterReading, RouterSample, Sample
from endpoints.models import Endpoint

RECENT = timedelta(minutes=5)
SPARK_MINUTES = 15


@dataclass(frozen=True)
class Range:
    """One choice of how far back to look: which slots are read, and how wide the points drawn are."""

    key: str
    title: str
    length: timedelta
    span: int
    step: int


RANGES = (
    Range("15m", "15 min", timedelta(minutes=15), 10, 10),
    Range("1h", "1 h", timedelta(hours=1), 10, 30),
    Range("6h", "6 h", timedelta(hours=6), 60, 120),
    Range("24h", "24 h", timedelta(hours=24), 60, 300),
    Range("14d", "14 d", timedelta(days=14), 600, 3600),
)


@dataclass
class Recent:
    """What was answered in the last five minutes."""

    seconds: float = 0
    count: Count = field(default_factory=Count)
    known: bool = False

    @property
    def rate(self) -> float | None:
        return self.count.requests / self.seconds if self.seconds else None

    @property
    def p95(self) -> float | None:
        return quantile(self.count.times, 0.95)

    @property
    def errors(self) -> int:
        return round(sum(amount for key, amount in by_class(self.count.codes).items() if key in ("5xx", "other")))

    @property
    def refused(self) -> int:
        return round(by_class(self.count.codes).get("4xx", 0))

    @property
    def requests(self) -> int:
        return round(self.count.requests)


def recent(endpoints: Iterable[Endpoint]) -> dict[int, Recent]:
    """Return for each endpoint what its deployments answered in the last five minutes; one query for all."""
    ids = [endpoint.pk for endpoint in endpoints]
    found: dict[int, Recent] = {pk: Recent() for pk in ids}
    covered: dict[int, dict[datetime, float]] = defaultdict(dict)
    for sample in Sample.objects.filter(endpoint__in=ids, span=60, mirrored=False, at__gt=timezone.now() - RECENT):
        one = found[sample.endpoint_id]
        one.known = True
        one.count.add(Count(sample.codes, sample.times))
        at = covered[sample.endpoint_id]
        # Deployments stand side by side in a slot: its time counts once.
        at[sample.at] = max(at.get(sample.at, 0), sample.seconds)
    for pk, slots in covered.items():
        found[pk].seconds = sum(slots.values())
    return found


def recent_by_deployment(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return for each deployment's name its requests/s of the last quarter of an hour, minute by minute, and its last five."""
    now = timezone.now()
    start = minute_of(now) - timedelta(minutes=SPARK_MINUTES - 1)
    rows = list(Sample.objects.filter(endpoint=endpoint, span=60, mirrored=False, at__gte=start))
    found = {}
    for name in {row.deployment for row in rows}:
        by_minute = {row.at: row for row in rows if row.deployment == name}
        points = [by_minute.get(start + timedelta(minutes=index)) for index in range(SPARK_MINUTES)]
        late = [row for row in by_minute.values() if row.at > now - RECENT]
        count = Count()
        for row in late:
            count.add(Count(row.codes, row.times))
        found[name] = {
            "points": [_rate(row) for row in points],
            "recent": Recent(sum(row.seconds for row in late), count, bool(late)),
        }
    return found


def minute_of(at: datetime) -> datetime:
    """Return the beginning of a time's minute."""
    return at.replace(second=0, microsecond=0)


def _rate(row: Sample | None) -> float:
    return row.requests / row.seconds if row is not None and row.seconds else 0.0


def range_named(key: str) -> Range:
    """Return the choice of a key, or the first."""
    return next((one for one in RANGES if one.key == key), RANGES[0])


def over_time(endpoint: Endpoint, chosen: Range, now: datetime | None = None) -> dict[str, Any]:
    """Return the figures of an endpoint over time: columns of numbers beside `at` (seconds), gaps as None.

    `deployments` are columns of each, `all` of the endpoint as a whole; `classes` names the classes of codes that came.
    `totals` say what came in the whole time, of each and of all.
    `refused` counts what the router answered 401 by itself, of all its endpoints: Envoy does not tell them apart.
    """
    now = now or timezone.now()
    ends = int(now.timestamp() // chosen.step * chosen.step)
    begins = ends - int(chosen.length.total_seconds()) + chosen.step
    rows = Sample.objects.filter(endpoint=endpoint, span=chosen.span, at__gte=datetime.fromtimestamp(begins, UTC))
    cells: dict[tuple[str, bool], dict[int, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
    for row in rows.order_by("at"):
        at = int(row.at.timestamp() // chosen.step * chosen.step)
        cells[row.deployment, row.mirrored][at].take(row)
    times = list(range(begins, ends + 1, chosen.step))
    shown = {key: [column.get(at) for at in times] for key, column in cells.items()}
    whole = [_sum(column[index] for (_, mirrored), column in shown.items() if not mirrored) for index in range(len(times))]
    classes = sorted({name for cell in whole if cell for name in by_class(cell.count.codes)})
    names = sorted({name for name, _ in shown})
    return {
        "range": chosen.key,
        "at": times,
        "all": _columns(whole, classes),
        "deployments": {name: _columns(shown.get((name, False), [None] * len(times)), classes) for name in names},
        "mirrored": {name: _columns(column, classes) for (name, mirrored), column in sorted(shown.items()) if mirrored},
        "classes": classes,
        "totals": {
            "all": _total(whole),
            "deployments": {name: _total(shown.get((name, False), [])) for name in names},
            "mirrored": {name: _total(column) for (name, mirrored), column in sorted(shown.items()) if mirrored},
        },
        "refused": _refused(endpoint, chosen, datetime.fromtimestamp(begins, UTC)),
    }


def _refused(endpoint: Endpoint, chosen: Range, begins: datetime) -> int:
    """Return how many requests the endpoint's router refused for want of a key, to whichever endpoint they were sent."""
    rows = RouterSample.objects.filter(cluster=endpoint.cluster_id, span=chosen.span, at__gte=begins)
    return round(sum(rows.values_list("refused", flat=True)))


class _Cell:
    """What one point stands for."""

    def __init__(self) -> None:
        self.slots: dict[datetime, float] = {}
        self.count = Count()
        self.ready: int | None = None

    def take(self, row: Sample) -> None:
        self.slots[row.at] = max(self.slots.get(row.at, 0), row.seconds)
        self.count.add(Count(row.codes, row.times))
        if row.ready is not None:
            self.ready = row.ready if self.ready is None else min(self.ready, row.ready)

    @property
    def seconds(self) -> float:
        return sum(self.slots.values())


def _sum(cells: Iterable[_Cell | None]) -> _Cell | None:
    there = [cell for cell in cells if cell is not None]
    if not there:
        return None
    whole = _Cell()
    for cell in there:
        for at, seconds in cell.slots.items():
            whole.slots[at] = max(whole.slots.get(at, 0), seconds)
        whole.count.add(cell.count)
    ready = [cell.ready for cell in there if cell.ready is not None]
    whole.ready = sum(ready) if ready else None
    return whole


def _columns(cells: list[_Cell | None], classes: list[str]) -> dict[str, Any]:
    def column(value: Any) -> list[float | None]:
        return [None if cell is None or not cell.seconds else value(cell) for cell in cells]

    def time(share: float) -> list[float | None]:
        return column(lambda cell: _short(quantile(cell.count.times, share)))

    def rate_of(name: str) -> list[float | None]:
        return column(lambda cell: _short(by_class(cell.count.codes).get(name, 0) / cell.seconds))

    return {
        "rate": column(lambda cell: _short(cell.count.requests / cell.seconds)),
        "p50": time(0.5),
        "p95": time(0.95),
        "p99": time(0.99),
        "classes": {name: rate_of(name) for name in classes},
        "ready": column(lambda cell: cell.ready),
    }


def _total(cells: list[_Cell | None]) -> dict[str, Any]:
    """Return what came in the whole time; `ready` is that of the last point."""
    whole = _Cell()
    for cell in cells:
        if cell is not None:
            whole.slots |= cell.slots
            whole.count.add(cell.count)
    ready = [cell.ready for cell in cells if cell is not None and cell.ready is not None]
    return {
        "requests": round(whole.count.requests),
        "rate": _short(whole.count.requests / whole.seconds) if whole.seconds else None,
        **{f"p{share}": _short(quantile(whole.count.times, share / 100)) for share in (50, 95, 99)},
        "codes": _codes(whole.count.codes),
        "ready": ready[-1] if ready else None,
    }


def _codes(codes: Amounts) -> list[dict[str, Any]]:
    return [{"code": code, "count": round(amount)} for code, amount in sorted(codes.items()) if amount >= 0.5]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def trouble_of(endpoint: Endpoint) -> tuple[str, datetime | None]:
    """Return why the router's figures could not be read last (or nothing), and when they were."""
    reading = RouterReading.objects.filter(cluster=endpoint.cluster_id).first()
    return (reading.trouble, reading.read_at) if reading else ("", None)
