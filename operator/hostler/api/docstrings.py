"""The sentences that stand under constants and fields in the source: the reference and the CRDs get them from there.

They are read when something is generated, and not by pydantic whenever a model is imported, which would parse the
source of each in every start of the operator.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel


class MissingSentenceError(LookupError):
    """A constant that users meet has no sentence under it."""

    def __init__(self, owner: type, constant: str) -> None:
        super().__init__(f"{owner.__module__}.{owner.__name__}.{constant} has no sentence under it: say when it is set")


def constants(owner: type) -> dict[str, str]:
    """Value of each constant of a class, with the sentence that stands under it, in the order of the source."""
    found: dict[str, str] = {}
    for node, sentence in _statements(owner):
        if not isinstance(node, ast.Assign):
            continue
        (name,) = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if sentence is None:
            raise MissingSentenceError(owner, name)
        found[str(getattr(owner, name))] = " ".join(sentence.split())
    return found


def fields(model: type[BaseModel]) -> dict[str, str]:
    """Name of each field of a model that has a text under it, there or in one of its bases, with this text."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base in BaseModel.__mro__ or not _has_source(base):
            continue
        for node, text in _statements(base):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and text is not None:
                found[node.target.id] = inspect.cleandoc(text)
    return {name: found[name] for name in model.model_fields if name in found}


def _has_source(owner: type) -> bool:
    """False for a model that was made by a function."""
    try:
        return bool(inspect.getsource(owner))
    except OSError:
        return False


def _statements(owner: type) -> Iterator[tuple[ast.stmt, str | None]]:
    """Each statement of a class's body, and the text that stands under it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    for node, following in itertools.zip_longest(definition.body, definition.body[1:]):
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node, text
            case _:
                yield node, None
