"""Short functions of Python's own standard library (PSF licence), as JSON lines of ``text``."""

from __future__ import annotations

import ast
import json
import random
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

MOST_CHARACTERS = 200
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "encodings", "pydoc_data"}


def functions(*, seed: int = 0) -> list[str]:
    """Every function of up to 200 characters without a docstring, each text once, in random order."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*.py")):
        if not LEFT_OUT.intersection(path.relative_to(root).parts):
            found.update(dict.fromkeys(_functions_of(path)))
    texts = list(found)
    random.Random(seed).shuffle(texts)
    return texts


def write_rows(path: Path, texts: list[str]) -> None:
    """A row for each text."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def _functions_of(path: Path) -> Iterator[str]:
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    lines = source.splitlines(keepends=True)
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) or node.body[0].lineno == node.lineno:
            continue
        text = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])).rstrip() + "\n"
        if len(text) <= MOST_CHARACTERS and _stands_alone(text):
            yield text


def _stands_alone(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
