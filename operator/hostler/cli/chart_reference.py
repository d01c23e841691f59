"""The chart's values as Markdown, from the comments of ``values.yaml``: what is set, and what it is unless somebody
sets it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_INTRO = """\
# Values of the Helm chart

Every value of `helm/hostler`, with its default. Keys that are not in this table are refused at every level, below
Kubernetes's own types excepted, which the API server checks.
"""
_MARK = "# -- "


class UndescribedValueError(ValueError):
    """A value without the comment that says what it means."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"values.yaml:{line}: say what {key} means, in a comment above it that begins with '{_MARK}'")


@dataclass(frozen=True)
class ChartValue:
    """One row."""

    key: str
    """With dots, such as operator.replicas."""
    default: Any
    meaning: str


def chart_values(text: str) -> Iterator[ChartValue]:
    """The values that can be set, in the order of the file. Raises :class:`UndescribedValueError`.

    A mapping with a description is one value, whatever keys a user puts into it; one without is a section.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _section(root, text.splitlines(), prefix="")


def _section(node: yaml.MappingNode, lines: list[str], *, prefix: str) -> Iterator[ChartValue]:
    for name, value in node.value:
        key = f"{prefix}{name.value}"
        meaning = _meaning(lines, above=name.start_mark.line)
        if meaning:
            yield ChartValue(key, _plain(value), meaning)
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from _section(value, lines, prefix=f"{key}.")
        else:
            raise UndescribedValueError(key, name.start_mark.line + 1)


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))


def _meaning(lines: list[str], *, above: int) -> str:
    """The comment that ends right above a line and begins with the mark; "" where there is none."""
    said: list[str] = []
    for line in reversed(lines[:above]):
        text = line.strip()
        if text.startswith(_MARK):
            return " ".join([text.removeprefix(_MARK), *reversed(said)])
        if not text.startswith("#"):
            break
        said.append(text.removeprefix("#").strip())
    return ""


def render_reference(text: str) -> str:
    """The page."""
    rows = [f"| `{value.key}` | {_shown(value.default)} | {_cell(value.meaning)} |" for value in chart_values(text)]
    return "\n".join([_INTRO, "| Value | Default | Meaning |\n| --- | --- | --- |", *rows, ""])


def _shown(default: Any) -> str:
    return "none" if default in ("", None) else f"`{json.dumps(default) if not isinstance(default, str) else default}`"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)
