"""Short functions of Python's own standard library as JSON lines: ``python3 data.py data.jsonl``."""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

MOST_CHARACTERS = 200
"""Longer functions are left out: a small model has little room."""
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "encodings", "pydoc_data"}
BYTES = 900_000
"""A ConfigMap holds a little more."""


def functions(library: Path) -> Iterator[str]:
    """Source of every short function without a docstring, in the order of the files' names."""
    for file in sorted(library.rglob("*.py")):
        if LEFT_OUT.isdisjoint(file.relative_to(library).parts):
            yield from functions_of(file)


def functions_of(file: Path) -> Iterator[str]:
    """Those of one file, methods among them."""
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    lines = source.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not ast.get_docstring(node) and node.body[0].lineno != node.lineno:
            text = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])).rstrip() + "\n"
            if len(text) <= MOST_CHARACTERS:
                yield text


def main(target: str) -> None:
    """Write as many as fit, each once."""
    left = BYTES
    with open(target, "w", encoding="utf-8") as file:
        for function in dict.fromkeys(functions(Path(sysconfig.get_path("stdlib")))):
            row = json.dumps({"text": function}) + "\n"
            left -= len(row)
            if left < 0:
                return
            file.write(row)


if __name__ == "__main__":
    main(sys.argv[1])
