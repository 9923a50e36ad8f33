"""The tags that pages are written with."""

from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory
from pytest_django import Settings

from studio.core import numbers
from studio.core.templatetags import mooring
from studio.core.tones import STATES, tone_of, word_of

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


PLAIN_FILES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture(autouse=True)
def _without_collected_files(settings: Settings) -> None:
    """Draw components where no file was collected, as in a fresh checkout."""
    settings.STORAGES = PLAIN_FILES


def drawn(source: str, path: str = "/", **context: object) -> str:
    request = RequestFactory().get(path)
    return Template("{% load mooring %}" + source).render(Context({"request": request, **context}))


def test_a_state_is_a_dot_a_word_and_its_reason() -> None:
    html = drawn('{% state_chip "Queued" reason=reason %}', reason="2 GPUs <needed>")
    assert html == ('<span class="state tone-neutral">Queued</span><span class="reason">2 GPUs &lt;needed&gt;</span>')


def test_a_state_that_nobody_listed_is_neutral_and_readable() -> None:
    assert (tone_of("half_way"), word_of("half_way")) == ("neutral", "Half way")
    assert {tone for _, tone in STATES.values()} == {"neutral", "moving", "good", "look", "wrong"}


def test_capacity_says_what_is_free_and_warns_when_little_is() -> None:
    html = drawn('{% capacity_bar "GPU" total=8 requested=8 %}')
    assert "<b>0</b> free of 8" in html
    assert 'class="bar full"' in html
    html = drawn('{% capacity_bar "Memory" total=274877906944 requested=68719476736 kind="memory" %}')
    assert "<b>192</b> free of 256 GiB" in html


def test_a_timeline_is_to_scale_and_keeps_short_phases_visible() -> None:
    phases = [
        {"title": "Queued", "kind": "wait", "start": START, "end": START + timedelta(milliseconds=20)},
        {"title": "Running", "kind": "run", "start": START, "end": START + timedelta(seconds=99)},
    ]
    first, second = mooring.timeline(phases)["phases"]
    assert first["said"] == "2026-11-23 12:00:00 UTC – 2026-11-23 12:00:00 UTC"
    assert 3 < float(first["width"]) < 8
    assert float(second["width"]) > 980
    assert float(second["x"]) + float(second["width"]) <= 1000


def test_no_component_writes_a_style_or_a_handler() -> None:
    phases = [{"title": "Running", "kind": "run", "start": START, "end": None}]
    html = drawn(
        '{% timeline phases %}{% capacity_bar "CPU" total=4 requested=1 used=0.5 kind="cpu" %}{% sparkline values %}'
        '{% progress done=1 total=3 text="x" %}{% copyable "abcdefgh" short=5 %}{% bar 1 2 %}',
        phases=phases,
        values=[1.0, 2.0, 0.5],
    )
    assert "style=" not in html
    assert " on" not in "".join(part.split(">")[0] for part in html.split("<")).replace(" one", "")


def test_long_identifiers_are_cut_in_the_middle() -> None:
    assert mooring.shortened("sha256:0123456789abcdef", 11) == "sha25…bcdef"
    assert mooring.shortened("short", 11) == "short"


def test_a_column_sorts_both_ways_and_keeps_the_filters() -> None:
    html = drawn('{% sort_head "Name" "name" %}', path="/?q=a&sort=name&after=9")
    assert 'aria-sort="ascending"' in html
    assert 'href="?q=a&amp;sort=-name"' in html


def test_removing_a_chip_keeps_the_other_filters() -> None:
    assert drawn('{% without "tag" "a" %}', path="/?tag=a&tag=b&q=x&after=3") == "?q=x&amp;tag=b"


def test_the_problem_of_a_field_takes_the_place_of_its_help() -> None:
    class OneField(forms.Form):
        image = forms.CharField(help_text="Any image.")

    html = drawn("{% field form.image %}", form=OneField({"image": ""}))
    assert "Any image." not in html
    assert "This field is required." in html
    assert 'aria-invalid="true"' in html
    assert "Any image." in drawn("{% field form.image %}", form=OneField())


def test_what_is_wrong_with_a_group_of_choices_leads_to_that_group() -> None:
    class TwoGroups(forms.Form):
        where = forms.ChoiceField(widget=forms.RadioSelect, choices=[("here", "Here")])
        how = forms.ChoiceField(widget=forms.RadioSelect, choices=[("so", "So")])

    html = drawn('{% include "components/form_problems.html" %}{% field form.where %}{% field form.how %}', form=TwoGroups({}))
    for name in ("where", "how"):
        assert f'href="#id_{name}"' in html and f'id="id_{name}"' in html and f'aria-labelledby="id_{name}_label"' in html


def test_a_tab_writes_its_count_as_the_page_does() -> None:
    tabs = [{"title": "Overview", "url": "/"}, {"title": "Nodes", "url": "/", "count": 0}, {"title": "Outputs", "url": "/", "count": 2001}]
    html = drawn('{% include "components/tabs.html" %}', tabs=tabs)
    assert html.count('class="count"') == 2
    assert ">0<" in html and ">2,001<" in html


def test_a_confirmation_names_what_goes() -> None:
    html = drawn('<button {% confirm title="Delete jobs" goes=names %}>', names=['a"b', "c"])
    assert 'data-confirm-title="Delete jobs"' in html
    assert 'data-confirm-goes="a&quot;b\nc"' in html


def test_a_theme_that_is_none_is_auto() -> None:
    request = RequestFactory().get("/")
    for said, theme in (("dark", "dark"), ('"><script>', "auto"), ("", "auto")):
        request.COOKIES["mooring_theme"] = said
        assert mooring.theme(Context({"request": request})) == theme


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1,023 B"), (1024, "1 KiB"), (17179869184, "16 GiB"), (1610612736, "1.5 GiB")]
)
def test_memory_is_in_binary_units(size: int, text: str) -> None:
    assert numbers.memory(size) == text
