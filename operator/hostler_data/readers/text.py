"""UTF-8 files, each a document. A file is read in blocks, so a document may be larger than memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.formats import not_text
from hostler_data.readers import Found, guarded
from hostler_data.record import Record

_BLOCK = 16 << 20
"""Documents up to this many bytes are one row; longer ones are cut at line ends."""
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Extent:
    """A part of a file."""

    file: Path
    start: int
    stop: int


class TextReader:
    """Documents in an order shuffled by name, so that the tail is a fair sample of them."""

    nothing = "holds no text: all its files are empty"
    untyped = False

    def __init__(
        self,
        files: Sequence[Path],
        *,
        root: Path,
        location: str,
        extents: Sequence[Extent] | None = None,
        block: int = _BLOCK,
    ) -> None:
        for name in (*(file.name for file in files), location):  # a download has no name of its own
            if message := not_text(name):
                raise DataError(file=name, message=message)
        self.files, self._root, self._location, self._block = tuple(files), root, location, block
        self._given = extents

    def scan(self) -> Iterator[Found]:
        """Documents with anything but white space in them; ``row`` is the line on which the text begins."""
        for extent in self._extents():
            name = name_of(extent.file, root=self._root)
            yield from guarded(_file(extent, name=name, block=self._block), name=name)

    def split(self, validation_percent: int) -> tuple[TextReader, TextReader]:
        """The tail is for validation. At most one document is cut, at a line end near the border."""
        extents = self._extents()
        border = sum(extent.stop for extent in extents) * (100 - validation_percent) // 100
        train: list[Extent] = []
        validation: list[Extent] = []
        position = 0
        for extent in extents:
            start, position = position, position + extent.stop
            if position <= border:
                train.append(extent)
            elif start >= border:
                validation.append(extent)
            else:
                cut = _cut_near(extent.file, border - start, root=self._root)
                train.append(Extent(extent.file, 0, cut))
                validation.append(Extent(extent.file, cut, extent.stop))
        return self._over(train), self._over(validation)

    def _over(self, extents: list[Extent]) -> TextReader:
        return TextReader(self.files, root=self._root, location=self._location, extents=extents, block=self._block)

    def _extents(self) -> list[Extent]:
        if self._given is not None:
            return list(self._given)
        # A file alone keeps its place whatever its name is: a download has another one than a mounted file.
        keyed = {_key(name_of(file, root=self._root)): file for file in self.files}
        return [Extent(keyed[key], 0, keyed[key].stat().st_size) for key in sorted(keyed)]


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _file(extent: Extent, *, name: str, block: int) -> Iterator[Found]:
    try:
        with extent.file.open("rb") as stream:
            yield from _documents(stream, extent, name=name, block=block)
    except OSError as error:
        yield unreadable(error, name=name, row=1)


def _documents(stream: BinaryIO, extent: Extent, *, name: str, block: int) -> Iterator[Found]:
    line = 1 + _newlines(stream, extent.start)
    position = extent.start
    while position < extent.stop:
        stream.seek(position)
        content = stream.read(min(block, extent.stop - position))
        if not content:  # the file shrank
            return
        if position + len(content) < extent.stop:
            content = content[: _end_of_line(content, near=len(content))]
        try:
            text = (content.removeprefix(_MARK) if position == 0 else content).decode()
        except UnicodeDecodeError as error:
            bad = position + error.start + (len(_MARK) if position == 0 and content.startswith(_MARK) else 0)
            yield DataError(
                file=name,
                row=line + content.count(b"\n", 0, bad - position),
                message=f"is not UTF-8 text (byte {bad} is 0x{content[bad - position]:02x}): convert or remove it",
            )
            return
        if text.strip():
            yield Record(file=name, row=line, values={"text": text})
        line += content.count(b"\n")
        position += len(content)


def _newlines(stream: BinaryIO, stop: int) -> int:
    count, position = 0, 0
    while position < stop:
        content = stream.read(min(1 << 20, stop - position))
        if not content:
            break
        count += content.count(b"\n")
        position += len(content)
    return count


def _cut_near(file: Path, near: int, *, root: Path) -> int:
    """An offset after a line end not far before ``near``."""
    start = max(0, near - _BLOCK)
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            # Some bytes more, for the rest of a character on the border.
            return start + _end_of_line(stream.read(near - start + 4), near=near - start)
    except OSError as error:
        raise unreadable(error, name=name_of(file, root=root), row=1) from error


def _end_of_line(content: bytes, *, near: int) -> int:
    newline = content.rfind(b"\n", 0, near)
    if newline > near // 2:
        return newline + 1
    # A text without line ends is cut between two characters: half a word in each part does no harm.
    cut = near
    while 0 < cut < len(content) and content[cut] & 0xC0 == 0x80:
        cut -= 1
    if cut == len(content):
        cut = _whole_characters(content)
    return cut or near


def _whole_characters(content: bytes) -> int:
    """Length without the beginning of a character that the end cuts off."""
    for back in range(1, min(4, len(content)) + 1):
        byte = content[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return len(content) - back if needed > back else len(content)
    return len(content)
