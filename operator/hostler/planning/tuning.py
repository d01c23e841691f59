"""Hyperparameters that somebody chooses, held against what an entry of the catalog allows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from hostler.api.tuning import DecimalRange, IntegerRange, TuningMethod

Value = int | str
_WHOLE = re.compile(r"[0-9]+")


class ChoiceError(ValueError):
    """A value that cannot be taken; the message names it, its bounds and the way out."""


def ranges(method: TuningMethod) -> Iterator[tuple[str, IntegerRange | DecimalRange]]:
    """Every hyperparameter of a method by its name in manifests, in the order of the API."""
    for field, information in type(method).model_fields.items():
        found = getattr(method, field)
        if isinstance(found, IntegerRange | DecimalRange):
            yield information.alias or field, found


def chosen(method: TuningMethod, settings: Mapping[str, str]) -> dict[str, Value]:
    """The value of every hyperparameter: as ``settings`` say, else the default. Raises :class:`ChoiceError`."""
    known = dict(ranges(method))
    if unknown := next((name for name in settings if name not in known), None):
        near = difflib.get_close_matches(unknown, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ChoiceError(f"this method has no hyperparameter {unknown!r}: {hint}")
    return {
        name: _value(name, settings[name], bounds) if name in settings else bounds.default
        for name, bounds in known.items()
    }


def _value(name: str, text: str, bounds: IntegerRange | DecimalRange) -> Value:
    if isinstance(bounds, IntegerRange):
        if not _WHOLE.fullmatch(text):
            raise ChoiceError(f"{name} is a whole number from {bounds.min} to {bounds.max}, and not {text!r}")
        number: Decimal = Decimal(text)
    else:
        number = _decimal(name, text, bounds)
    if not Decimal(bounds.min) <= number <= Decimal(bounds.max):
        raise ChoiceError(
            f"{name} {text} is out of bounds: the entry allows {bounds.min} to {bounds.max}, by default "
            f"{bounds.default}; beyond them write a TrainingJob of your own (--dry-run prints one to begin with)"
        )
    return int(text) if isinstance(bounds, IntegerRange) else text


def _decimal(name: str, text: str, bounds: DecimalRange) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ChoiceError(f"{name} is a number from {bounds.min} to {bounds.max}, and not {text!r}")
    return number
