"""Names of objects as they are typed: what the API server would refuse is told before anything is read or printed."""

from __future__ import annotations

import re
from typing import Any

import click

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_OTHERS = re.compile(r"[^a-z0-9]+")
LABEL_LIMIT = 63
"""Characters of a DNS label (RFC 1123)."""
SUBDOMAIN_LIMIT = 253


class ObjectName(click.ParamType[str]):
    """A DNS label of at most ``limit`` characters; ``dots`` allows a subdomain, as claims of others may have it, and
    ``letter`` asks for a letter in front, as Services do."""

    name = "name"

    def __init__(self, *, limit: int = LABEL_LIMIT, dots: bool = False, letter: bool = False) -> None:
        self._limit, self._dots, self._letter = limit, dots, letter

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What stands in the help."""
        return "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself. Raises ``BadParameter`` with the rule and a name that is near."""
        text = str(value)
        if len(text) > self._limit:
            self.fail(f"{text!r} has {len(text)} characters, and {self._limit} are allowed", param, ctx)
        if not self._is_name(text):
            self.fail(f"{text!r} is no name of an object: {self._rule()}{self._instead(text)}", param, ctx)
        return text

    def _rule(self) -> str:
        signs = "lower-case letters, digits, - and ." if self._dots else "lower-case letters, digits and -"
        begins = "a letter" if self._letter else "a letter or digit"
        return f"it takes {signs}, begins with {begins} and ends with a letter or digit"

    def _is_name(self, text: str) -> bool:
        whole = (_SUBDOMAIN if self._dots else _LABEL).fullmatch(text) is not None
        return whole and not (self._letter and text[0].isdigit())

    def _instead(self, text: str) -> str:
        near = _OTHERS.sub("-", text.lower()).strip("-")
        return f"; such as {near}" if near and self._is_name(near) else ""
