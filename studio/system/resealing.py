"""Seal every stored secret anew with the newest key, so that an older one can be taken away.

Row by row, in small transactions: it may run beside the studio, be broken off and begun again. What is sealed with the newest key
is left alone; what no key opens is counted and left, too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models, transaction

from studio.audit.services import write
from studio.core.errors import ProblemError
from studio.core.secrets import EncryptedTextField, as_sealed, fingerprints, held_by, is_sealed, noted_keys, resealed
from studio.system import problems  # noqa: F401 - its problems are raised from here

BATCH = 200
# Rows that somebody saves meanwhile with what they read before are met in the next pass.
MOST_PASSES = 5
SEALED, ALREADY, LOCKED = "sealed", "already", "locked"
_TARGET = ("studio", "", "stored secrets")


@dataclass
class Resealed:
    """How many secrets there are: sealed anew, with the newest key already, and such as no key opens, by what holds them."""

    sealed: int = 0
    already: int = 0
    locked: int = 0
    by: dict[str, dict[str, int]] = field(default_factory=dict)


def reseal(actor: Any = None) -> Resealed:
    """Seal every stored secret with the newest key; return how many. Its beginning and its end stand in the audit."""
    with transaction.atomic():
        write(actor, "began to seal anew", _TARGET)
    counted = again = Counter(_everything())
    passes = 1
    while passes < MOST_PASSES and any(found == SEALED for _, found in again):
        again = Counter(_everything())
        passes += 1
    told = _told(counted)
    with transaction.atomic():
        write(actor, "sealed anew", _TARGET, diff={"sealed": [None, told.sealed], "not opened": [None, told.locked]})
    return told


def check_known() -> None:
    """Refuse to go on while the studio that runs was started without the newest key."""
    noted = noted_keys()
    if noted and fingerprints()[0] not in noted:
        raise ProblemError("reseal-key-unknown")


def _told(counted: Counter[tuple[str, str]]) -> Resealed:
    told = Resealed()
    for (label, found), count in sorted(counted.items()):
        told.by.setdefault(label, {})[found] = count
        setattr(told, found, getattr(told, found) + count)
    return told


def _everything() -> Iterator[tuple[str, str]]:
    """Seal what is not sealed with the newest key; yield for each secret what holds it, and what was done."""
    for model in apps.get_models():
        names = [one.attname for one in model._meta.concrete_fields if isinstance(one, EncryptedTextField)]
        if names:
            yield from _rows(model, names, _of_fields)
    yield from _rows(Authenticator, ["data"], _of_factor)


def _rows(model: type[models.Model], names: Sequence[str], turned: Callable[[Any, str], Iterator[str]]) -> Iterator[tuple[str, str]]:
    last: Any = None
    while True:
        with transaction.atomic():
            # Locked where the database can: whoever changes a secret at this moment waits, and none of it is lost.
            rows = model._base_manager.select_for_update().order_by("pk").only("pk", *names)
            batch = list((rows.filter(pk__gt=last) if last is not None else rows)[:BATCH])
            done: list[tuple[str, str]] = []
            for row in batch:
                for name in names:
                    label = f"{model._meta.verbose_name} {name.replace('_', ' ')}"
                    done += [(label, found) for found in turned(row, name)]
        yield from done
        if len(batch) < BATCH:
            return
        last = batch[-1].pk


def _of_fields(row: models.Model, name: str) -> Iterator[str]:
    held = held_by(row, name)
    if not held:
        return
    found, text = _turned(held)
    if text:
        type(row)._base_manager.filter(pk=row.pk).update(**{name: as_sealed(text)})
    yield found


def _of_factor(row: Authenticator, name: str) -> Iterator[str]:
    """Seal what of a second factor's values is sealed: an app's secret, the seed of recovery codes, codes of old."""
    found: list[str] = []

    def turned(value: Any) -> Any:
        if isinstance(value, list):
            return [turned(one) for one in value]
        if not isinstance(value, str) or not is_sealed(value):
            return value
        what, text = _turned(value)
        found.append(what)
        return text or value

    data = {key: turned(value) for key, value in row.data.items()}
    if data != row.data:
        type(row).objects.filter(pk=row.pk).update(data=data)
    yield from found


def _turned(held: str) -> tuple[str, str]:
    """Return what became of a sealed text, and the new one where there is one."""
    text = resealed(held)
    return (LOCKED, "") if text is None else (SEALED, text) if text != held else (ALREADY, "")
