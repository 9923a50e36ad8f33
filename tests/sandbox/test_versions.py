from __future__ import annotations

import pytest

from sandbox.errors import SandboxError
from sandbox.versions import Version, check_supported


@pytest.mark.parametrize(("text", "shown"), [("1.36", "1.36"), ("v1.34.4", "1.34.4"), (" 1.29.0 ", "1.29.0")])
def test_it_reads_a_version_as_people_write_it(text: str, shown: str) -> None:
    assert str(Version.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "latest", "1", "1.36-rc.1", "one.two"])
def test_it_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(SandboxError, match="is not a Kubernetes version"):
        Version.parse(text)


def test_it_refuses_a_kubernetes_without_native_sidecars() -> None:
    with pytest.raises(SandboxError, match="no native sidecars"):
        check_supported(Version.parse("1.28"))


def test_it_accepts_the_oldest_supported_kubernetes() -> None:
    check_supported(Version.parse("1.29"))
