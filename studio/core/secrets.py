"""Secrets at rest: encrypted with the first of a list of keys, readable with any of them.

Rotation: put a new key in front, start again, run `manage.py mooring_rotate_secrets`, drop the old key.
"""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """None of the keys opens a stored secret: the keys in the data folder are not the ones it was written with."""


@lru_cache(maxsize=4)
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(clear: str) -> str:
    """Return `clear` encrypted with the newest key."""
    return _keys(tuple(settings.ENCRYPTION_KEYS)).encrypt(clear.encode()).decode()


def unseal(sealed: str) -> str:
    """Return what was sealed; raises SecretUnreadable when no key opens it."""
    try:
        return _keys(tuple(settings.ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("a stored secret cannot be read with the keys of this data folder") from error


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and clear in memory."""

    def get_prep_value(self, value: Any) -> Any:
        return value if value in (None, "") else seal(str(value))

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return value if value in (None, "") else unseal(value)
