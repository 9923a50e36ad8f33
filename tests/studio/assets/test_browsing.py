"""A tree of files as pages draw it."""

from studio.assets.browsing import nested
from studio.assets.templatetags.files import entries


def test_folders_come_first_with_what_they_hold_and_the_shown_file_is_marked() -> None:
    drawn = str(entries(nested([("b.txt", 5), ("a/x.png", 1500), ("a/deep/y", 1)], "/page/", "a/x.png", within="models")))
    assert drawn.index("<details open>") < drawn.index(">b.txt<")
    assert '<span class="truncate">a</span><span class="num">2 files · 1.5 kB</span>' in drawn
    assert 'href="/page/?file=models%2Fa%2Fx.png" aria-current="true" title="x.png"' in drawn
    assert drawn.count("<li>") == drawn.count("</li>") == 5


def test_names_of_strangers_are_text() -> None:
    hostile = '"><script>alert(1)&'
    drawn = str(entries(nested([(f"{hostile}/{hostile}", 1)], "/page/")))
    assert "<script" not in drawn and '""' not in drawn
    assert drawn.count("&quot;&gt;&lt;script&gt;alert(1)&amp;") == 3
