"""Weights in CTranslate2's binary layout, version 6: a header, then each variable with its name, shape and bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


@dataclass
class _Reader:
    """Little-endian values from the front of some bytes."""

    content: memoryview
    at: int = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return int(value)

    def text(self) -> str:
        # The length counts a zero at the end.
        return bytes(self.take(self.number("H"))[:-1]).decode()

    def take(self, size: int) -> memoryview:
        if self.at + size > len(self.content):
            raise ValueError(f"the file ends at {len(self.content)} of {self.at + size} bytes")
        self.at += size
        return self.content[self.at - size : self.at]


def read_variables(content: bytes, *, made_for: str) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays by name. Raises ``ValueError`` where the bytes are something else."""
    reader = _Reader(memoryview(content))
    version, name = reader.number("I"), reader.text()
    if (version, name) != (_VERSION, made_for):
        raise ValueError(f"these are weights of {name}, layout {version}, and not of {made_for}, layout {_VERSION}")
    reader.number("I")  # the specification's revision
    found = {}
    for _ in range(reader.number("I")):
        variable = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = reader.number("B")
        if kind >= len(_TYPES):
            raise ValueError(f"{variable} is of type {kind}, which is not read here")
        found[variable] = np.frombuffer(reader.take(reader.number("I")), dtype=_TYPES[kind]).reshape(shape)
    return found
