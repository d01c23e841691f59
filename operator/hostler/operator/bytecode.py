"""Compiles what a start of the operator imports, once, while its image is built.

A container that runs without the right to write compiles anew at every start whatever the image has no valid bytecode
for: without any, that is more than half of a start's CPU time. Bytecode is valid by the source's time stamp, which
tools that make images reproducible reset, so what is written here holds whatever the time stamps say.

Run as ``python -m hostler.operator.bytecode``.
"""

from __future__ import annotations

import importlib
import py_compile
import sys
from collections.abc import Iterable
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import ModuleType

STARTS_WITH = ("hostler.operator.command", "hostler.operator.shell", "hostler.controllers.all")
"""Modules that import everything which a start imports."""
_BY_HASH = 0b01
"""Flag of bytecode that does not depend on a time stamp (PEP 552)."""


def compile_loaded(modules: Iterable[ModuleType]) -> list[Path]:
    """Write bytecode beside the sources of modules that have none which would be used; returns these sources."""
    compiled = []
    for module in list(modules):
        source, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        if not source or not cached or not source.endswith(".py") or is_current(Path(cached), Path(source)):
            continue
        py_compile.compile(
            source, cfile=cached, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        compiled.append(Path(source))
    return compiled


def is_current(cached: Path, source: Path) -> bool:
    """Whether this interpreter would take the bytecode, and go on doing so when time stamps are reset."""
    try:
        header = cached.read_bytes()[:16]
    except OSError:
        return False
    return source.exists() and header[:4] == MAGIC_NUMBER and header[4] & _BY_HASH == _BY_HASH


def main() -> None:
    """Import what a start imports, compile it and say how much that was."""
    for name in STARTS_WITH:
        importlib.import_module(name)
    print(f"compiled {len(compile_loaded(sys.modules.values()))} modules")


if __name__ == "__main__":
    main()
