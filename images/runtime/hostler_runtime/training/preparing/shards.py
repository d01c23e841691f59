"""Shards: what a chunk of rows became, as a file that is there completely or not at all.

The format is NumPy's own ``.npz`` without pickled objects: the values of all rows under their name, one after the
other, with the number of values of each row beside them.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hostler_runtime.protocols.preparing import Made
from hostler_runtime.training.files import flush

_COUNTS, _FACTS = "counts:", "facts"


def write_shard(path: Path, made: Sequence[Made]) -> None:
    """Store a chunk under its name, in one step."""
    names = list(made[0].arrays) if made else []
    content: dict[str, np.ndarray] = {}
    for name in names:
        values = [each.arrays[name] for each in made]
        content[name] = np.concatenate(values)
        content[f"{_COUNTS}{name}"] = np.array([len(each) for each in values], dtype=np.int64)
    facts = json.dumps([each.facts for each in made]).encode()
    content[_FACTS] = np.frombuffer(facts, dtype=np.uint8)
    # Whoever lost the work to somebody else may still be at it: the same content under another name.
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}")
    with temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **content)
    flush(temporary)
    temporary.rename(path)
    flush(path.parent)


def read_shard(path: Path) -> list[Made] | None:
    """What ``write_shard`` stored; None where that cannot be read, after a disk lost a part of it."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            content = {name: stored[name] for name in stored.files}
        facts = json.loads(content.pop(_FACTS).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    parts = {
        name: np.split(values, np.cumsum(content[f"{_COUNTS}{name}"])[:-1])
        for name, values in content.items()
        if not name.startswith(_COUNTS)
    }
    return [Made({name: values[row] for name, values in parts.items()}, said) for row, said in enumerate(facts)]
