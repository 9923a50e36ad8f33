"""What several files of calls to an API server have in common."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.kube import errors

POD = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main"}, {"name": "side"}]}}


def raised(call: Callable[[], Any]) -> errors.KubeError:
    with pytest.raises(errors.KubeError) as caught:
        call()
    assert caught.value.problem_id in errors.PROBLEM_IDS
    return caught.value
