"""Arrays of floats as JSON carries them: as lists, or as base64 of little-endian float32, which is exact and short."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from hostler_runtime.server.errors import invalid_type, invalid_value

ENCODINGS = ("float", "base64")


def written(array: np.ndarray, encoding: str) -> Any:
    """Nested lists, or base64 of the flat array."""
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()
    return np.asarray(array, dtype=np.float64).tolist()


def read(value: Any, name: str, *, shape: Any) -> np.ndarray:
    """The float32 array in nested lists, or in base64 with its ``shape`` beside it. Raises ``ApiError``."""
    if isinstance(value, str):
        return _from_base64(value, name, shape=shape)
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_type(name, want="nested arrays of numbers, all of one length, or base64") from error
    return _finite(array, name)


def read_file(value: Any, name: str) -> bytes:
    """The bytes of a file in base64, with or without ``data:...;base64,`` in front. Raises ``ApiError``."""
    if not isinstance(value, str):
        raise invalid_type(name, want="a file in base64, or a data URL")
    return _decoded(value.partition(";base64,")[2] if value.startswith("data:") else value, name)


def _from_base64(value: str, name: str, *, shape: Any) -> np.ndarray:
    whole = isinstance(shape, list) and bool(shape) and all(type(one) is int and one > 0 for one in shape)
    if not whole:
        raise invalid_value("shape", f"expected the lengths of the array's axes, because '{name}' is base64.")
    data = _decoded(value, name)
    if len(data) != 4 * int(np.prod(shape, dtype=object)):
        raise invalid_value(name, f"it holds {len(data)} bytes, which are no float32 array of shape {shape}.")
    return _finite(np.frombuffer(data, dtype="<f4").reshape(shape), name)


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_value(name, f"it is not base64: {error}.") from error


def _finite(array: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise invalid_value(name, "it holds NaN or infinite numbers.")
    return array.astype(np.float32)
