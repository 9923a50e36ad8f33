"""One search for the palette, its page without scripts, the API and the command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from jobs.models import Job
from mooring.cli.app import app
from studio.accounts.models import User, Workspace
from studio.frame.search import find


def names(user: User, text: str, **more: object) -> list[str]:
    return [f"{hit.kind}:{hit.name}" for hit in find(user, text, **more)]  # type: ignore[arg-type]


def options(client: Client, text: str) -> list[str]:
    answer = client.get("/search/", {"q": text, "options": ""}).content.decode()
    return re.findall(r'class="palette-title">([^<]+)<', answer)


def test_it_finds_everything_that_has_the_words(studio_full: SimpleNamespace) -> None:
    assert names(studio_full.contributor, "flowers baseline") == ["job:calm_otter_3"]
    assert "endpoint:flowers" in names(studio_full.contributor, "FLOW")
    assert "model:flowers" in names(studio_full.contributor, "FLOW")
    assert names(studio_full.contributor, "vision") == ["compute:gpu", "workspace:team"]
    assert names(studio_full.contributor, "  ") == []


def test_what_is_called_exactly_so_comes_first(studio_full: SimpleNamespace) -> None:
    Job.objects.filter(name="calm_otter_0").update(display_name="flow")
    assert names(studio_full.contributor, "flow", kinds=["job"])[0] == "job:calm_otter_0"


def test_nobody_finds_what_is_not_theirs(studio_full: SimpleNamespace) -> None:
    stranger = User.objects.create_user("the-stranger")
    assert names(stranger, "o") == []
    assert "cluster:gpu-a" in names(studio_full.operator, "gpu")
    assert not [name for name in names(studio_full.contributor, "gpu") if name.startswith("cluster")]
    assert not names(studio_full.operator, "otter")


def test_it_stays_within_a_workspace_and_within_kinds(studio_full: SimpleNamespace) -> None:
    elsewhere = Workspace.objects.get(name="elsewhere")
    assert names(studio_full.admin, "flowers", workspace=elsewhere) == []
    assert set(names(studio_full.admin, "flowers", kinds=["model"])) == {"model:flowers", "model:segmenter"}


def test_a_search_costs_the_same_few_queries_however_much_there_is(
    studio_full: SimpleNamespace, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    with django_assert_max_num_queries(7):  # type: ignore[attr-defined]
        assert len(find(studio_full.admin, "o", most=20)) > 8


@pytest.mark.parametrize("signs", ["%", "_", "'", '"', "\\", "a" * 5000, "ü 日本"])
def test_signs_are_signs_and_no_patterns(signs: str, studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    assert client_for(studio_full.admin).get("/search/", {"q": signs, "options": ""}).status_code == 200
    assert "job:calm_otter_0" not in names(studio_full.admin, "%")


def test_the_palette_offers_pages_and_actions_that_the_person_may_use(
    studio_full: SimpleNamespace, client_for: Callable[..., Client]
) -> None:
    contributor = options(client_for(studio_full.contributor), "")
    assert {"Submit job", "Jobs", "Theme: dark"} <= set(contributor)
    assert not {"Attach cluster", "Clusters"} & set(contributor)
    assert not {"Submit job", "Attach cluster"} & set(options(client_for(studio_full.reader), ""))
    assert {"Attach cluster", "Clusters"} <= set(options(client_for(studio_full.operator), ""))


def test_who_types_a_pages_name_gets_the_page_first(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    assert options(client_for(studio_full.contributor), "jobs")[0] == "Jobs"
    assert options(client_for(studio_full.contributor), "flowers")[0] != "Jobs"


def test_without_scripts_it_is_a_page_with_links(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    page = client_for(studio_full.contributor).get("/search/", {"q": "baseline"}).content.decode()
    assert '<a href="/w/team/jobs/calm_otter_3/">' in page
    assert "data-do" not in page


def test_the_api_answers_the_same(studio_full: SimpleNamespace, client_for: Callable[..., Client]) -> None:
    client = client_for(studio_full.contributor)
    hit = client.get("/api/v1/search", {"q": "baseline", "kind": "job"}).json()["items"][0]
    assert hit == {"kind": "job", "name": "calm_otter_3", "title": "Baseline", "workspace": "team", "status": "Completed",
                   "state": "Completed", "url": "/w/team/jobs/calm_otter_3/"}  # fmt: skip
    assert client.get("/api/v1/search", {"q": "x", "workspace": "elsewhere"}).status_code == 404
    assert client.get("/api/v1/search", {"q": "x", "kind": "secret"}).status_code == 422
    assert client.get("/api/v1/search").status_code == 422


def test_the_command_prints_what_was_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.mooring.stand_in import TOKEN, serving

    with serving() as held:
        monkeypatch.setenv("MOORING_URL", held.url)
        monkeypatch.setenv("MOORING_TOKEN", TOKEN)
        held.answers.append(("GET /api/v1/search", 200, {"items": [{"kind": "job", "name": "a_job"}], "next": None}))
        app(["search", "a job", "--kind", "job", "-o", "json"], standalone_mode=False)
        assert json.loads(capsys.readouterr().out) == [{"kind": "job", "name": "a_job"}]
        assert "q=a+job&kind=job" in held.asked[-1][1] or "q=a%20job&kind=job" in held.asked[-1][1]
