"""Whatever is sent is taken or refused in words: no other error, no hang, no memory without end.

A few examples of each in `make quick`, the same ones each time; `make fuzz` takes thousands, others each time, and keeps what failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from benchmarks.machine import ROOT
from studio.accounts.models import ApiToken
from studio.core.problems import CATALOGUE
from tests import access_asked
from tests.conftest import People
from tests.hostile.corpus import FOLDER, NAMES
from tests.hostile.readers import READERS, TAKEN, bounded, read

everything = access_asked.everything
EXAMPLES = int(os.environ.get("MOORING_FUZZ") or 0)


def examples(few: int) -> Any:
    """Return how much is tried: `few` and always the same, or as much as MOORING_FUZZ says."""
    kept = DirectoryBasedExampleDatabase(ROOT / ".mooring" / "fuzz") if EXAMPLES else None
    return settings(max_examples=EXAMPLES or few, derandomize=not EXAMPLES, database=kept, deadline=None, suppress_health_check=list(HealthCheck))


SEEDS = {name: [path.read_bytes() for path in sorted((FOLDER / name).iterdir()) if path.stat().st_size < 20_000] for name in READERS}
TOKENS = [b"\0", b"\xff", b"\r\n", b"../", b"\x1b[2J", "\u202e".encode(), b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"${{", b"$[[", b"}}",
          b"{{", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08", b"ustar", b"99999999999", b"-1", b"1e999", b"[" * 200, b"{a: " * 100, b"\n- " * 50]  # fmt: skip
HOSTILE = st.sampled_from([
    *(text for text in NAMES.values() if text.isprintable() or "\n" not in text), "", " ", "\0", "a\0b", "\ud800", "x" * 5000, "=cmd()|'/c'!A1", "<script>alert(1)</script>",
    "{{7*7}}", "${{inputs.x}}", "a\r\nSet-Cookie: x=y", "%0d%0a", "..", ".", "/", "-", "CON", "NaN", "9" * 400, "9" * 5000, "-1", "\ufeff", "\u200b", "\u00a0", "İ", "ﬁ", "' OR 1=1 --",
]) | st.text(max_size=40)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3), max_leaves=6,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, reader: str) -> bytes:
    """Take something kept, and change, repeat, cut and fill in pieces of it; or take bytes that are nothing."""
    raw = draw(st.sampled_from(SEEDS[reader]) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["put", "token", "cut", "again", "end"]))
        if kind == "put":
            raw = raw[:at] + draw(st.binary(min_size=1, max_size=4)) + raw[at + 1 :]
        elif kind == "token":
            raw = raw[:at] + draw(st.sampled_from(TOKENS)) + raw[at:]
        elif kind == "cut":
            raw = raw[:at] + raw[at + draw(st.integers(1, 64)) :]
        elif kind == "again":
            raw = raw[:at] + raw[max(0, at - draw(st.integers(1, 600))) :]
        else:
            raw = raw[:at]
    return raw


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_is_taken_or_refused_in_words(reader: str) -> None:
    read(reader, SEEDS[reader][0])

    @examples(40)
    @given(damaged(reader))
    def holds(raw: bytes) -> None:
        with bounded():
            assert read(reader, raw) in {TAKEN, *CATALOGUE}

    holds()


def leaves_replaced(draw: st.DrawFn, value: Any) -> Any:
    """Return a body in which some of the values are hostile ones, some fields are gone, and one is new."""
    if isinstance(value, dict):
        kept = {key: leaves_replaced(draw, one) for key, one in value.items() if draw(st.integers(0, 9))}
        return kept if draw(st.integers(0, 5)) else kept | {draw(HOSTILE): draw(VALUES)}
    return value if draw(st.integers(0, 2)) == 0 else draw(HOSTILE if draw(st.booleans()) else VALUES)


@st.composite
def api_requests(draw: st.DrawFn) -> tuple[str, str, str]:
    """Take an operation and a body that is right, and change the body, or the text that carries it."""
    method, pattern = draw(st.sampled_from(sorted(access_asked.BODIES)))
    body = json.dumps(leaves_replaced(draw, access_asked.BODIES[method, pattern]))
    if draw(st.integers(0, 9)) == 0:
        body = draw(st.sampled_from(["", "[", "null", "[" * 3000, '{"a":' * 3000, '"\\ud800"', "1" * 5000, body[: len(body) // 2], body + body]))
    return method, pattern, body


def test_no_body_breaks_the_api(people: People, everything: dict[str, str], client_for: Callable[..., Any]) -> None:
    token = ApiToken.issue(people.admin, name="fuzz")[1]
    client = client_for(None, raise_request_exception=False)
    # The first request of a process loads half of the studio.
    client.post("/api/v1/workspaces", "{}", "application/json", headers={"Authorization": f"Bearer {token}"})

    @examples(30)
    @given(api_requests())
    def holds(asked: tuple[str, str, str]) -> None:
        method, pattern, body = asked
        with bounded(), transaction.atomic():
            answer = client.generic(method, access_asked.filled(pattern, everything), body, "application/json", headers={"Authorization": f"Bearer {token}"})
            transaction.set_rollback(True)
        # 502 and 504: the cluster of the rows is none.
        assert answer.status_code < 500 or answer.status_code in (502, 503, 504), (asked, answer.content[:300])
        assert "\n" not in "".join(answer.headers.values())

    holds()


PART = st.fixed_dictionaries({
    "name": st.sampled_from(["code", "code_paths", "command", "tag_key", "input_files_e0", "as", "yaml"]) | HOSTILE,
    "file": st.none() | st.sampled_from(["a.zip", "a.tar.gz", "..\\a.tar"]) | HOSTILE, "kind": st.sampled_from(["text/plain", "application/zip", "multipart/mixed; boundary=x", "\x00"]),
    "content": st.binary(max_size=200) | st.sampled_from(SEEDS["archive"]),
    "encoding": st.sampled_from(["", "base64", "quoted-printable", "gzip"]),
})  # fmt: skip


def sent(parts: list[dict[str, Any]], boundary: str) -> bytes:
    """Return parts as a form carries them, with whatever their names do to its lines."""
    out = b""
    for part in parts:
        named = f'form-data; name="{part["name"]}"' + (f'; filename="{part["file"]}"' if part["file"] is not None else "")
        head = f"--{boundary}\r\nContent-Disposition: {named}\r\nContent-Type: {part['kind']}\r\n"
        head += f"Content-Transfer-Encoding: {part['encoding']}\r\n" if part["encoding"] else ""
        out += head.encode("utf-8", "surrogatepass") + b"\r\n" + part["content"] + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def test_no_upload_breaks_the_page_that_takes_it(people: People, client_for: Callable[..., Any], everything: dict[str, str]) -> None:
    client = client_for(people.contributor, raise_request_exception=False)
    client.post("/w/team/jobs/-/new/", {"as": "form"})

    @examples(20)
    @given(st.lists(PART, min_size=1, max_size=4), st.booleans(), st.data())
    def holds(parts: list[dict[str, Any]], whole: bool, data: st.DataObject) -> None:
        body = sent(parts, "bound")
        if not whole:
            body = body[: data.draw(st.integers(0, len(body)))]
        kind = data.draw(st.sampled_from(["multipart/form-data; boundary=bound"] * 6 + ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 300]))
        with bounded(), transaction.atomic():
            answer = client.generic("POST", "/w/team/jobs/-/new/", body, kind)
            transaction.set_rollback(True)
        assert answer.status_code < 500, answer.content[:300]

    holds()
