"""A furnished studio: people, clusters, jobs and endpoints in every state."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.utils import timezone

from tests.furnish import furnish


@pytest.fixture
def studio_full(db: None) -> SimpleNamespace:
    """Furnish the database; return the people by role."""
    made = furnish(timezone.now())
    return SimpleNamespace(**made["people"], workspace=made["workspace"], compute=made["compute"])
