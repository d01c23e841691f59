"""Functions of Python's own standard library as JSON lines: ``python3 data.py data.jsonl``."""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LINES = range(3, 25)
"""Functions of other lengths are left out."""
BYTES = 900_000
"""A ConfigMap holds a little more."""


def functions(library: Path) -> Iterator[str]:
    """Source of every function of the modules directly below a directory, in the order of the modules' names."""
    for file in sorted(library.glob("*.py")):
        source = file.read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 in LINES:
                yield "\n".join(lines[node.lineno - 1 : node.end_lineno]) + "\n"


def main(target: str) -> None:
    """Write as many as fit."""
    left = BYTES
    with open(target, "w", encoding="utf-8") as file:
        for function in functions(Path(sysconfig.get_path("stdlib"))):
            row = json.dumps({"text": function}) + "\n"
            left -= len(row)
            if left < 0:
                return
            file.write(row)


if __name__ == "__main__":
    main(sys.argv[1])
