"""Small datasets of every format, written by the libraries that others write them with."""

from __future__ import annotations

import io
import json
import math
import struct
import tarfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from hostler_data.errors import DataError
from hostler_data.files import files_below
from hostler_data.records import Records, open_records


def opened(root: Path, format: str = "text", **columns: str) -> Records:
    """The dataset at a path; ``columns`` maps roles to columns."""
    return open_records(files_below(root), root=root, format=format, columns=columns)  # type: ignore[arg-type]


def errors(records: Records) -> list[str]:
    """All errors of a dataset, as they are shown."""
    return [str(found) for found in records.scan() if isinstance(found, DataError)]


def png(shade: int, *, width: int = 8, height: int = 8) -> bytes:
    """A grey image."""
    stream = io.BytesIO()
    Image.new("L", (width, height), shade).save(stream, "PNG")
    return stream.getvalue()


def tone(*, seconds: float = 0.5, rate: int = 8000, channels: int = 1) -> bytes:
    """A WAV file with a sine of 440 Hz."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        for index in range(int(seconds * rate)):
            sample = int(16000 * math.sin(2 * math.pi * 440 * index / rate))
            file.writeframes(struct.pack("<h", sample) * channels)
    return stream.getvalue()


def clip() -> bytes:
    """An MP4 file with dark pictures."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=8)
        video.width = video.height = 16
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    return stream.getvalue()


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_tar(path: Path, members: Mapping[str, bytes], *, mode: str = "w") -> Path:
    """A tar file with members by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as shard:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


def write_images(root: Path, *, labels: Sequence[str], each: int) -> Path:
    """A folder of images for each label."""
    for label in labels:
        (root / label).mkdir(parents=True)
        for index in range(each):
            (root / label / f"{index}.png").write_bytes(png(index))
    return root
