"""Secrets at rest: encrypted with the first of a list of keys, readable with any of them.

Rotation: put a new key in front and start again. What is saved from then on is sealed with it, the rest by `mooring reseal`
(studio.system.resealing); then the old key can go.
"""

import hashlib
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from studio.core.errors import ProblemError
from studio.core.files import replace_file


class SecretUnreadable(ProblemError):
    """None of the keys opens a stored secret: the keys in the data folder are not the ones it was written with."""

    def __init__(self, what: str = "secret") -> None:
        super().__init__("secret-unreadable", what=what)


@lru_cache(maxsize=4)
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(clear: str) -> str:
    """Return `clear` encrypted with the newest key."""
    return _keys(tuple(settings.ENCRYPTION_KEYS)).encrypt(clear.encode()).decode()


def unseal(sealed: str, what: str = "secret") -> str:
    """Return what was sealed; raises SecretUnreadable when no key opens it."""
    try:
        return _keys(tuple(settings.ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable(what) from error


def is_sealed(text: str) -> bool:
    """Tell whether a text is one that `seal` returned: the version and the first bytes of the time, as Fernet spells them."""
    return text.startswith("gAAAA")


def resealed(sealed: str) -> str | None:
    """Return what was sealed, sealed with the newest key: itself where it is so already, None when no key opens it."""
    keys = tuple(settings.ENCRYPTION_KEYS)
    try:
        _keys(keys[:1]).decrypt(sealed.encode())
    except InvalidToken:
        try:
            return _keys(keys).rotate(sealed.encode()).decode()
        except InvalidToken:
            return None
    return sealed


def fingerprints() -> list[str]:
    """Return what tells the keys apart and gives none away, the newest first."""
    return [hashlib.sha256(f"mooring {key}".encode()).hexdigest()[:24] for key in settings.ENCRYPTION_KEYS]


def note_keys() -> None:
    """Leave in the data folder what tells the keys apart that the studio is started with."""
    replace_file(Path(settings.DATA) / "run" / "keys.json", json.dumps(fingerprints()))


def noted_keys() -> list[str]:
    """Return what the studio's last start has noted of its keys; nothing where it never started here."""
    try:
        return [str(each) for each in json.loads((Path(settings.DATA) / "run" / "keys.json").read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


@dataclass(frozen=True, slots=True, repr=False)
class _Sealed:
    """What the database holds, until somebody uses it: a row can be shown and changed though its secret cannot be opened."""

    text: str


def held_by(row: models.Model, name: str) -> str:
    """Return a row's secret as the database holds it, unopened; nothing where there is none."""
    held = row.__dict__.get(name)
    return held.text if isinstance(held, _Sealed) else ""


def as_sealed(text: str) -> Any:
    """Return a sealed text as the value of a field, which then stores it as it is."""
    return _Sealed(text)


# While a row is read again its secrets are carried over as they lie.
_as_it_is: ContextVar[bool] = ContextVar("as_it_is", default=False)


def _carrying(refresh: Callable[..., None]) -> Callable[..., None]:
    """Read a row again without opening its secrets: Django asks the fresh row for each of its values."""

    @wraps(refresh)
    def carried(*args: Any, **kwargs: Any) -> None:
        token = _as_it_is.set(True)
        try:
            refresh(*args, **kwargs)
        finally:
            _as_it_is.reset(token)

    carried.carries = True  # type: ignore[attr-defined]
    return carried


class _Opened(DeferredAttribute):
    """The attribute of a row: opens what is sealed when it is read."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None and isinstance(value, _Sealed) and not _as_it_is.get():
            value = unseal(value.text, f"{self.field.verbose_name} of the {instance._meta.verbose_name}")
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        # With a setter Django asks for the attribute here even when the row has a value.
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database, and opened when it is read from a row."""

    descriptor_class = _Opened

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Join a model, whose rows then are read again without their secrets being opened."""
        super().contribute_to_class(cls, name, private_only)
        if not hasattr(cls.refresh_from_db, "carries"):
            cls.refresh_from_db = _carrying(cls.refresh_from_db)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, _Sealed):
            return value.text
        return value if value in (None, "") else seal(str(value))

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Return the value, so that it is sealed with the newest key; what cannot be opened stays as it is."""
        try:
            return super().pre_save(model_instance, add)
        except SecretUnreadable:
            return model_instance.__dict__[self.attname]

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return value if value in (None, "") else _Sealed(value)
