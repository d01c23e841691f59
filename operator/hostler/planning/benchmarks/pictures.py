"""Pictures that standard loads learn from: bright squares on a noisy ground, the same bytes on every machine."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator

from hostler.planning.benchmarks.numbers import numbers

_PLACES = ("top left", "top right", "bottom left", "bottom right")


def webdataset(*, count: int, side: int, seed: int) -> bytes:
    """One shard: grey PNG images of ``side`` pixels, each with its class (0 to 3, the quarter that is bright) and a
    caption."""
    random = numbers(seed)
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(count):
            place, bright = int(4 * next(random)), next(random) < 0.5
            caption = f"a {'bright' if bright else 'dim'} square at the {_PLACES[place]}"
            png = _png(_drawn(random, side=side, place=place, level=220 if bright else 140), side=side)
            for extension, content in (("png", png), ("cls", str(place).encode()), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{number:06}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return shard.getvalue()


def _drawn(random: Iterator[float], *, side: int, place: int, level: int) -> bytes:
    half = side // 2
    rows, columns = (
        (range(half) if place < 2 else range(half, side)),
        (range(half) if place % 2 == 0 else range(half, side)),
    )
    return bytes(
        int(40 * next(random)) + (level - 40 if y in rows and x in columns else 0)
        for y in range(side)
        for x in range(side)
    )


def _png(pixels: bytes, *, side: int) -> bytes:
    """Not compressed, because compressors of two machines may differ (RFC 1950, a stored block)."""
    lines = b"".join(b"\0" + pixels[row * side : (row + 1) * side] for row in range(side))
    stored = struct.pack("<BHH", 1, len(lines), len(lines) ^ 0xFFFF) + lines
    packed = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(lines))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
