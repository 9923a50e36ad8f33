"""The tags and filters of the studio's pages; docs/contributors/pages.md shows each with an example."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.core.files.storage import Storage, storages
from django.forms import BoundField
from django.http import HttpRequest
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from studio.core import numbers
from studio.core.tones import tone_of, word_of

register = template.Library()

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "mooring_theme"

register.filter("duration", numbers.duration)
register.filter("cpu", numbers.cpu)
register.filter("memory", numbers.memory)
register.filter("filesize", numbers.filesize)
register.filter("count", numbers.count)
register.filter("rate", numbers.rate)
register.filter("milliseconds", numbers.milliseconds)
register.filter("tone", tone_of)
register.filter("state_word", word_of)


@register.filter
def coded(text: object) -> SafeString:
    """Return a sentence with what stands between backticks set as code; all of it is escaped."""
    parts = re.split(r"`([^`\n]+)`", str(text))
    # Every second part stood between backticks.
    return format_html_join("", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(parts)))


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """Return the person's theme (auto, light or dark) from its cookie, so that the first paint is already right."""
    request: HttpRequest | None = context.get("request")
    chosen = request.COOKIES.get(THEME_COOKIE, "auto") if request else "auto"
    return chosen if chosen in THEMES else "auto"


@register.simple_tag
def icon(name: str, extra: str = "", label: str = "") -> SafeString:
    """Return a Tabler icon from the sprite; with `label` it is read aloud, without it is decoration."""
    return _drawn(name, extra, label, _sprite(storages["staticfiles"]))


# A list draws the same few icons in each of its rows.
@lru_cache(maxsize=1000)
def _drawn(name: str, extra: str, label: str, sprite: str) -> SafeString:
    said = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    classes = f"icon {extra}".strip()
    return format_html('<svg class="{}" {}><use href="{}#i-{}"></use></svg>', classes, said, sprite, name)


@lru_cache(maxsize=2)
def _sprite(storage: Storage) -> str:
    """Return the address of the icons; it is worked out from the manifest, and stays while the process runs."""
    return storage.url("icons.svg")


@register.simple_tag
def state_chip(state: str, reason: str = "", tone: str = "", word: str = "", plain: bool = False) -> SafeString:
    """Return dot and word of a state and, when given, the quiet line that says why."""
    tone = tone or tone_of(str(state))
    chip = format_html(
        '<span class="state tone-{}{}">{}</span>', tone, " plain" if plain else "", word or word_of(str(state))
    )
    return format_html('{}<span class="reason">{}</span>', chip, coded(reason)) if reason else chip


@register.simple_tag
def simulated(cluster: Any) -> SafeString | str:
    """Return the label of a cluster (or node) that is invented, so that nobody takes it for a real one; else nothing."""
    if not getattr(cluster, "simulated", False):
        return ""
    why = "Its nodes are invented (kwok): no container runs there."
    return format_html(' <span class="tag tone-look" title="{}">simulated</span>', why)


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """Return how long ago `at` was, kept true by the page, with the exact time on hover."""
    if at is None:
        return "–"
    said = _relative((timezone.now() - at).total_seconds())
    return format_html('<time datetime="{}" data-ago title="{}">{}</time>', at.isoformat(), _exact(at), said)


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """Return the exact time; the page writes it in the person's own zone."""
    if at is None:
        return "–"
    return format_html('<time datetime="{}" data-clock>{}</time>', at.isoformat(), _exact(at))


@register.simple_tag
def elapsed(start: datetime | None, end: datetime | None = None) -> SafeString | str:
    """Return the time from `start` to `end`; without an end it ticks in the page."""
    if start is None:
        return "–"
    if end is not None:
        return numbers.duration(end - start)
    text = numbers.duration(timedelta(seconds=int((timezone.now() - start).total_seconds())))
    return format_html(
        '<time datetime="{}" data-since title="since {}">{}</time>', start.isoformat(), _exact(start), text
    )


@register.simple_tag
def bar(value: float, most: float = 1, label: str = "", thin: bool = True) -> SafeString:
    """Return a plain bar of `value` out of `most` (a duration relative to the longest, a progress)."""
    share = _share(value, most)
    return format_html(
        '<svg class="bar{}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bar-back" width="100" height="8"/><rect class="bar-used" width="{}" height="8"/></svg>',
        " thin" if thin else "",
        label or f"{share:.0f} %",
        f"{share:.2f}",
    )


@register.inclusion_tag("components/capacity.html")
def capacity_bar(
    label: str, total: float, requested: float = 0, used: float | None = None, kind: str = "count", unit: str = ""
) -> dict[str, Any]:
    """Draw used, requested and free of `total`; `kind` is cpu, memory (bytes) or count (GPUs, pods)."""
    written = {"cpu": numbers.cpu, "memory": numbers.memory, "count": numbers.cpu}[kind]
    free = max(total - requested, 0)
    free_text = written(free)
    total_text = written(total)
    number, _, binary = total_text.partition(" ")
    if kind == "memory" and free_text.endswith(f" {binary}"):
        free_text = free_text.partition(" ")[0]
    return {
        "label": label,
        "total": total_text + (f" {unit}" if unit else ""),
        "free": free_text,
        "used_text": written(used) if used is not None else "",
        "requested_text": written(requested),
        "requested_share": f"{_share(requested, total):.2f}",
        "used_share": f"{_share(used, total):.2f}" if used is not None else "",
        "full": total > 0 and free / total < 0.1,
        "none": not total,
        "number": number,
    }


@register.inclusion_tag("components/progress.html")
def progress(done: float = 0, total: float = 0, text: str = "", wait: str = "", kind: str = "count") -> dict[str, Any]:
    """Draw how far something is, with its count and what it waits for; without a total the bar only moves."""
    written = {"memory": numbers.memory, "file": numbers.filesize, "count": numbers.cpu}[kind]
    counted = f"{written(done)} of {written(total)}" if total else ""
    return {"share": f"{_share(done, total):.2f}" if total else "", "counted": counted, "text": text, "wait": wait}


@register.inclusion_tag("components/steps.html")
def form_steps(here: str = "", **titles: str) -> dict[str, Any]:
    """Draw the bar of a form in steps: name="Title" in their order; an empty title leaves one out.

    `here` names the step that a page without the form's fields stands for.
    """
    names = [name for name, title in titles.items() if title]
    done = names[: names.index(here)] if here else []
    return {"steps": [{"name": name, "title": titles[name], "done": name in done, "here": name == here} for name in names], "here": here}


@register.inclusion_tag("components/copyable.html")
def copyable(value: object, short: int = 0, href: str = "") -> dict[str, Any]:
    """Show an identifier in mono with a copy button; `short` cuts it in the middle to that many characters."""
    text = str(value)
    return {"value": text, "shown": shortened(text, short) if short else text, "href": href}


@register.inclusion_tag("components/copyable.html")
def problem_id(id: object) -> dict[str, Any]:
    """Show a problem's id, which leads to the page that explains it."""
    return copyable(id, href=f"/docs/problems/{id}")


@register.filter
def shortened(text: object, length: int = 20) -> str:
    """Cut `text` in its middle to `length` characters."""
    whole = str(text)
    if len(whole) <= length:
        return whole
    head = length // 2
    return f"{whole[:head]}…{whole[-(length - 1 - head) :]}"


@register.inclusion_tag("components/timeline.html")
def timeline(phases: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Draw phases to scale: each has `title`, `kind` (wait, prepare, run, finish, good, look, wrong), `start`, `end`.

    An `end` of None means that it goes on; `note` (optional) is added to what hovering says.
    """
    now = timezone.now()
    drawn = []
    for phase in phases:
        end = phase.get("end") or now
        said = f"{_exact(phase['start'])} – {_exact(end) if phase.get('end') else 'now'}"
        drawn.append({**phase, "seconds": max((end - phase["start"]).total_seconds(), 0), "said": said})
    whole = sum(phase["seconds"] for phase in drawn) or 1
    # A phase too short for the scale keeps a visible sliver; the others give it up in proportion.
    widths = [max(phase["seconds"] / whole * 1000, 6) for phase in drawn]
    scale = 1000 / sum(widths) if widths else 1
    at = 0.0
    for phase, width in zip(drawn, widths, strict=True):
        phase["x"], phase["width"] = f"{at:.2f}", f"{max(width * scale - 2, 2):.2f}"
        at += width * scale
    return {"phases": drawn}


@register.simple_tag
def sparkline(values: Sequence[float], label: str = "") -> SafeString:
    """Draw values as a small line without axes, from the lowest to the highest."""
    if len(values) < 2:
        return SafeString('<svg class="spark" aria-hidden="true"></svg>')
    low, high = min(values), max(values)
    spread = (high - low) or 1
    step = 100 / (len(values) - 1)
    points = [f"{index * step:.2f} {29 - (value - low) / spread * 26:.2f}" for index, value in enumerate(values)]
    line = "M" + "L".join(points)
    return format_html(
        '<svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="spark-area" d="{}L100 32L0 32Z"/><path d="{}"/></svg>',
        label or f"from {numbers.cpu(values[0])} to {numbers.cpu(values[-1])}",
        line,
        line,
    )


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, label: str = "", help: str = "", placeholder: str = "") -> dict[str, Any]:
    """Draw a form field: label, input, help, or the problem in place of the help."""
    widget = bound.field.widget
    kind = getattr(widget, "input_type", "textarea" if "Textarea" in type(widget).__name__ else "text")
    attrs = dict(widget.attrs)
    classes = {"select": "form-select", "checkbox": "form-check-input"}.get(kind, "form-control")
    attrs["class"] = f"{classes} {attrs.get('class', '')}".strip()
    if placeholder:
        attrs["placeholder"] = placeholder
    if bound.errors:
        attrs["aria-invalid"] = "true"
    # A group of choices has no one control that a label could be for.
    name = bound.id_for_label or bound.auto_id
    note = f"{name}_note"
    if bound.errors or help or bound.help_text:
        attrs["aria-describedby"] = note
    many = kind in ("radio", "checkbox") and hasattr(widget, "choices")
    if many:
        # Each choice is drawn by itself, from what the widget has.
        widget.attrs.setdefault("class", "form-check-input")
    return {
        "field": bound,
        "id": name,
        "input": bound.as_widget(attrs=attrs),
        "check": kind == "checkbox" and not getattr(widget, "allow_multiple_selected", False),
        "many": many,
        "label": label or bound.label,
        "help": help or bound.help_text,
        "note_id": note,
        "optional": not bound.field.required and kind != "checkbox",
    }


@register.simple_tag(takes_context=True)
def sort_head(context: Context, title: str, key: str, number: bool = False, default: str = "") -> SafeString:
    """Return a table head that sorts by `key` through `?sort=key` and `?sort=-key`."""
    request: HttpRequest = context["request"]
    now = request.GET.get("sort", default)
    query = request.GET.copy()
    query["sort"] = f"-{key}" if now == key else key
    for gone in ("page", "after"):
        query.pop(gone, None)
    state = {key: ' aria-sort="ascending"', f"-{key}": ' aria-sort="descending"'}.get(now, "")
    arrow = {key: "arrow-up", f"-{key}": "arrow-down"}.get(now, "selector")
    return format_html(
        '<th scope="col"{}{}><a href="?{}">{}{}</a></th>',
        SafeString(' class="num"') if number else "",
        SafeString(state),
        query.urlencode(),
        title,
        icon(arrow),
    )


@register.simple_tag(takes_context=True)
def without(context: Context, key: str, value: str = "") -> str:
    """Return the page's query without `key` (or without that one value of it): the address of a chip's ×."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    kept = [one for one in query.getlist(key) if value and one != value]
    query.pop(key, None)
    for gone in ("page", "after"):
        query.pop(gone, None)
    if kept:
        query.setlist(key, kept)
    return f"?{query.urlencode()}"


@register.simple_tag
def confirm(title: str, text: str = "", verb: str = "Go on", goes: Sequence[object] = (), type: str = "") -> SafeString:
    """Return the attributes that make a submit button ask first: what is lost, named, and the verb on the button."""
    named = "\n".join(str(one) for one in goes)
    pairs = {"title": title, "text": text, "verb": verb, "goes": named, "type": type}
    given = [(name, value) for name, value in pairs.items() if value]
    return format_html_join(" ", 'data-confirm-{}="{}"', given)


def _share(part: float | None, whole: float) -> float:
    return min(max((part or 0) / whole * 100, 0), 100) if whole else 0


def _exact(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")


def _relative(seconds: float) -> str:
    if abs(seconds) < 5:
        return "now"
    for size, word in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= size:
            amount = f"{int(abs(seconds) // size)} {word}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "now"
