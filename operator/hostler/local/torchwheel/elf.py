"""What a shared library names and offers, read with ``readelf``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hostler.local.torchwheel.errors import TorchWheelError

_VERSION_FILE = re.compile(r"\bFile: (\S+)")
_VERSION_NAME = re.compile(r"\bName: (\S+)\s+Flags:.*\bVersion: \d+")
_NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")


@dataclass(frozen=True)
class Symbol:
    """One line of the dynamic symbol table."""

    name: str
    version: str | None
    kind: str
    """``FUNC``, ``OBJECT``, ``NOTYPE``, ..."""
    size: int
    defined: bool
    weak: bool


@dataclass(frozen=True)
class Library:
    """A shared library seen from outside."""

    path: Path
    needed: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    version_sources: dict[str, frozenset[str]]
    """Symbol version -> the libraries it is expected from."""


def read_library(path: Path) -> Library:
    """Run ``readelf`` on one library."""
    return Library(
        path=path,
        needed=tuple(_NEEDED.findall(_readelf("-dW", path))),
        symbols=tuple(parse_symbols(_readelf("--dyn-syms", path, "-W").splitlines())),
        version_sources=parse_version_sources(_readelf("-VW", path).splitlines()),
    )


def parse_symbols(lines: Iterable[str]) -> list[Symbol]:
    """The rows of ``readelf --dyn-syms -W``."""
    symbols = []
    for line in lines:
        columns = line.split()
        if len(columns) < 8 or not columns[0].rstrip(":").isdigit():
            continue
        name, _, version = columns[7].partition("@")
        symbols.append(
            Symbol(
                name=name,
                version=version.lstrip("@") or None,
                kind=columns[3],
                size=int(columns[2], 0),
                defined=columns[6] != "UND",
                weak=columns[4] == "WEAK",
            )
        )
    return symbols


def parse_version_sources(lines: Iterable[str]) -> dict[str, frozenset[str]]:
    """Which library each symbol version is expected from, out of ``readelf -VW``."""
    sources: dict[str, set[str]] = {}
    library = ""
    for line in lines:
        if file := _VERSION_FILE.search(line):
            library = file.group(1)
        if (version := _VERSION_NAME.search(line)) and library:
            sources.setdefault(version.group(1), set()).add(library)
    return {version: frozenset(libraries) for version, libraries in sources.items()}


def _readelf(option: str, path: Path, *more: str) -> str:
    try:
        return subprocess.run(["readelf", option, *more, str(path)], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise TorchWheelError("readelf is not installed: install the package `binutils`") from None
    except subprocess.CalledProcessError as error:
        raise TorchWheelError(f"{path.name} is not a readable library: {error.stderr.strip()}") from error
