"""In a fresh checkout pytest compiles each file of tests with its asserts written out: six seconds, in every process the same.

So each process begins with a share of its own and finds what the others have made of theirs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def share(config: pytest.Config) -> None:
    """Make this process's share of what is missing; without several processes, or with another pytest, there is nothing to share."""
    worker = getattr(config, "workerinput", None)
    if worker is None or sys.dont_write_bytecode:
        return
    try:
        from _pytest.assertion.rewrite import PYC_TAIL, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir, try_makedirs
    except ImportError:
        return
    state = config.stash.get(assertstate_key, None)
    if state is None:
        return
    # The longest first, so that the shares are much alike.
    files = sorted(TESTS.rglob("test_*.py"), key=lambda path: (-path.stat().st_size, path))
    for file in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        made = get_cache_dir(file) / f"{file.stem}{PYC_TAIL}"
        if not (made.exists() and made.stat().st_mtime >= file.stat().st_mtime) and try_makedirs(made.parent):
            digest, code = _rewrite_test(file, config)
            _write_pyc(state, code, digest, made)
