"""How much of its limit each figure uses, as a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

ROW, TOP, LEFT, BAR, RIGHT = 22, 44, 250, 400, 190
FULL = 1.5  # the right end of the bars, in limits
GOOD, BAD = "#2f9e44", "#e03131"


@dataclass(frozen=True)
class Bar:
    """One figure in terms of its limit."""

    name: str
    used: float
    text: str


def drawn(bars: Sequence[Bar]) -> str:
    """Return an SVG with a line for each; a bar that crosses the rule at 100 % misses its limit."""
    height, width = TOP + ROW * len(bars) + 16, LEFT + BAR + RIGHT
    rule = LEFT + BAR / FULL
    rows = [_row(number, bar) for number, bar in enumerate(bars)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            'font-family="system-ui, sans-serif" font-size="12">',
            "<title>How much of its limit each figure uses</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{rule:g}" y="24" text-anchor="middle" fill="#495057">limit</text>',
            *rows,
            f'<line x1="{rule:g}" y1="{TOP - 12}" x2="{rule:g}" y2="{height - 10}" stroke="#495057" stroke-dasharray="4 3"/>',
            "</svg>",
            "",
        ]
    )


def _row(number: int, bar: Bar) -> str:
    middle = TOP + ROW * number + ROW / 2 - 6
    wide = max(BAR * min(bar.used, FULL) / FULL, 2)
    colour = GOOD if bar.used <= 1 else BAD
    return (
        f'<text x="{LEFT - 10}" y="{middle + 4:g}" text-anchor="end" fill="#212529">{escape(bar.name)}</text>'
        f'<rect x="{LEFT}" y="{middle - 6:g}" width="{BAR}" height="12" fill="#f1f3f5"/>'
        f'<rect x="{LEFT}" y="{middle - 6:g}" width="{wide:.1f}" height="12" fill="{colour}"/>'
        f'<text x="{LEFT + BAR + 10}" y="{middle + 4:g}" fill="#495057">{escape(bar.text)}</text>'
    )
