"""Pages by key: nothing is shown twice or left out, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Count
from django.utils import timezone

from studio.accounts.models import ApiToken, User
from studio.core.errors import ProblemError
from studio.tables.keyset import Order, slice_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def tokens() -> Any:
    """Make 23 tokens, some of one name, some never used."""
    person = User.objects.create_user("ana")
    now = timezone.now()
    for number in range(23):
        used = None if number % 3 == 0 else now - timedelta(minutes=number % 5)
        ApiToken.objects.create(user=person, name=f"n{number % 4}", prefix=f"{number:08}", digest="x", last_used_at=used)
    return ApiToken.objects.all()


@pytest.mark.parametrize("field", ["", "name", "last_used_at"])
@pytest.mark.parametrize("down", [True, False])
def test_every_row_is_on_one_page_forward_and_back(tokens: Any, field: str, down: bool) -> None:
    order = Order(field, down=down)
    pages, after = [], ""
    while True:
        page = slice_of(tokens, order, after=after, size=5)
        pages.append([row.pk for row in page.rows])
        if page.next is None:
            break
        after = page.next
    forward = [pk for one in pages for pk in one]
    assert sorted(forward) == sorted(tokens.values_list("pk", flat=True)) and len(pages) == 5
    back, before = [pages[-1]], page.previous
    while before:
        page = slice_of(tokens, order, before=before, size=5)
        back.insert(0, [row.pk for row in page.rows])
        before = page.previous if page.rows != [] and len(back) < len(pages) else None
    assert back == pages


def test_rows_that_come_or_go_do_not_shift_a_page(tokens: Any) -> None:
    first = slice_of(tokens, Order(), size=5)
    second = [row.pk for row in slice_of(tokens, Order(), after=first.next or "", size=5).rows]
    ApiToken.objects.create(user=User.objects.get(), name="new", prefix="new", digest="x")
    ApiToken.objects.filter(pk=first.rows[0].pk).delete()
    assert [row.pk for row in slice_of(tokens, Order(), after=first.next or "", size=5).rows] == second


@pytest.mark.parametrize("key", ["nonsense", "WzEsMl0", "bm8", "eyJhIjoxfQ", "é"])
def test_a_key_that_somebody_made_up_is_refused(tokens: Any, key: str) -> None:
    with pytest.raises(ProblemError, match="request-invalid"):
        slice_of(tokens, Order(), after=key)


@pytest.mark.parametrize(("field", "value"), [("name", "\ud800"), ("name", "a\0"), ("used", "abc"), ("used", True), ("used", 2**70), ("used", float("nan"))])
def test_a_value_that_no_row_can_have_is_refused(tokens: Any, field: str, value: Any) -> None:
    key = base64.urlsafe_b64encode(json.dumps([field, value, 1]).encode()).decode().rstrip("=")
    with pytest.raises(ProblemError, match="request-invalid"):
        slice_of(tokens.annotate(used=Count("user")), Order(field, down=False), after=key)


def test_the_key_of_another_order_is_refused(tokens: Any) -> None:
    key = slice_of(tokens, Order("name", down=False), size=5).next or ""
    with pytest.raises(ProblemError, match="request-invalid"):
        slice_of(tokens, Order(), after=key)
