"""The sentences that stand under constants in the source: conditions and reasons get their reference from them."""

from __future__ import annotations

import ast
import inspect
import textwrap


class MissingSentenceError(LookupError):
    """A constant that users meet has no sentence under it."""

    def __init__(self, owner: type, constant: str) -> None:
        super().__init__(f"{owner.__module__}.{owner.__name__}.{constant} has no sentence under it: say when it is set")


def constants(owner: type) -> dict[str, str]:
    """Value of each constant of a class, with the sentence that stands under it, in the order of the source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for position, node in enumerate(definition.body):
        if not isinstance(node, ast.Assign):
            continue
        (name,) = [target.id for target in node.targets if isinstance(target, ast.Name)]
        following = definition.body[position + 1] if position + 1 < len(definition.body) else None
        match following:
            case ast.Expr(value=ast.Constant(value=str(sentence))):
                found[str(getattr(owner, name))] = " ".join(sentence.split())
            case _:
                raise MissingSentenceError(owner, name)
    return found
