"""Reading a request field by field. What cannot be honoured is refused by name, nothing is silently ignored."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from hostler_runtime.server.errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
    unknown_parameter,
    unsupported_parameter,
)

ANYTHING: Final = object()
"""Accepted whatever the value, because by its own definition it does not change the answer."""

# Parameters of every OpenAI API that have no effect here, with the values that ask for no effect.
NEUTRAL: Final[Mapping[str, Any]] = {
    "metadata": ANYTHING,
    "prompt_cache_key": ANYTHING,
    "safety_identifier": ANYTHING,
    "service_tier": ("auto", "default"),
    "store": (False,),
    "user": ANYTHING,
}

_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}


class Fields:
    """A JSON object's fields; remembers which of them nobody asked for."""

    def __init__(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise ApiError("The request body must be a JSON object.", code="invalid_json")
        # Null means 'not given', as everywhere in this API.
        self._left = {name: value for name, value in body.items() if value is not None}

    def take(self, name: str) -> Any:
        """The value, or None."""
        return self._left.pop(name, None)

    def required(self, name: str) -> Any:
        """The value; a field that must be there."""
        if name not in self._left:
            raise missing_parameter(name)
        return self._left.pop(name)

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """A string of at most so many characters, or None."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid_type(name, want="a string")
        if longest is not None and len(value) > longest:
            raise invalid_value(name, f"it has {len(value)} characters; at most {longest} are allowed.")
        return value

    def required_text(self, name: str, *, longest: int | None = None) -> str:
        """A string that must be there."""
        value = self.text(name, longest=longest)
        if value is None:
            raise missing_parameter(name)
        return value

    def choice(self, name: str, options: Collection[str], *, default: str) -> str:
        """One of a few words."""
        value = self.text(name)
        if value is None:
            return default
        if value not in options:
            raise invalid_value(name, f"expected {' or '.join(repr(one) for one in options)}.")
        return value

    def number(self, name: str, *, low: float, high: float) -> float | None:
        """A number within bounds, or None."""
        value = self._number(self._left.pop(name, None))
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid_type(name, want="a number")
        if not low <= value <= high:
            raise invalid_value(name, f"expected a number from {low:g} to {high:g}.")
        return float(value)

    def integer(self, name: str, *, low: int, high: int) -> int | None:
        """An integer within bounds, or None."""
        value = self._number(self._left.pop(name, None))
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid_type(name, want="an integer")
        if not low <= value <= high:
            raise invalid_value(name, f"expected an integer from {low} to {high}.")
        return value

    def flag(self, name: str) -> bool:
        """True or false, false where it is not given."""
        value = self._flag(self._left.pop(name, False))
        if not isinstance(value, bool):
            raise invalid_type(name, want="a boolean")
        return value

    def refuse_rest(self, neutral: Mapping[str, Any]) -> None:
        """What is left must be known to change nothing."""
        for name, value in self._left.items():
            if name not in neutral:
                raise unknown_parameter(name)
            accepted = neutral[name]
            if accepted is not ANYTHING and self._plain(value) not in accepted:
                values = " or ".join(repr(one) for one in accepted)
                raise unsupported_parameter(name, harmless=f" or set it to {values}" if values else "")

    def _number(self, value: Any) -> Any:
        return value

    def _flag(self, value: Any) -> Any:
        return value

    def _plain(self, value: Any) -> Any:
        return value


class FormFields(Fields):
    """A form's fields: all of them texts, of which some stand for numbers, and ``name[]`` for an array."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        body: dict[str, Any] = {}
        for name, value in pairs:
            if name.endswith("[]"):
                body.setdefault(name[:-2], []).append(value)
            elif name in body:
                raise invalid_value(name, "it is given twice.")
            elif value:
                # Clients send an empty field for what they were not given.
                body[name] = value
        super().__init__(body)

    def _number(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for read in (int, float):
            try:
                number = read(value)
            except ValueError:
                continue
            return number if math.isfinite(number) else value
        return value

    def _flag(self, value: Any) -> Any:
        return _FLAGS.get(value.lower(), value) if isinstance(value, str) else value

    def _plain(self, value: Any) -> Any:
        return self._flag(self._number(value))


def is_tokens(value: Any) -> bool:
    """True for an array of token ids."""
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)


def texts(value: Any, name: str, *, most: int) -> list[str]:
    """The strings of a field that holds one or several."""
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in listed):
        raise invalid_type(name, want="a string or an array of strings")
    if not 1 <= len(listed) <= most:
        raise invalid_value(name, f"expected 1 to {most} of them, not {len(listed)}.")
    return listed
