"""WebDataset shards: tar files in which neighbouring members with the same stem are one row."""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.halves import half_character, half_said
from hostler_data.readers import Found, guarded, of_format
from hostler_data.readers.manifest import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from hostler_data.record import Record, kind_of

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MEMBER = re.compile(r"(?P<stem>(?:.*/)?[^/.][^/.]*)\.(?P<extension>[^/]+)")


class WebDatasetReader:
    """Rows are read one after another; a shard is never unpacked."""

    nothing = "holds no samples: its shards are empty"
    untyped = False

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self.files, self._root = of_format(files, _SUFFIXES, location=location), root

    def scan(self) -> Iterator[Found]:
        """Columns are the members' extensions; the usual ones also play their role: images ``image`` (several
        ``frames``), audio ``audio``, video ``video``, ``txt`` both ``text`` and ``caption``, ``cls`` ``label``; a
        ``json`` member's columns are the row's own. ``row`` is the sample within its shard."""
        for file in self.files:
            name = name_of(file, root=self._root)
            yield from guarded(_shard(file, name=name), name=name)


def _shard(file: Path, *, name: str) -> Iterator[Found]:
    row = 0
    try:
        for members in _samples(file):
            row += 1
            yield _record(members, name=name, row=row)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        yield DataError(file=name, row=row + 1, message=f"the tar file is damaged: {error}")
    except OSError as error:
        yield unreadable(error, name=name, row=row + 1)


Members = list[tuple[str, str, bytes]]
"""Stem, extension and content of one sample's members."""


def _samples(file: Path) -> Iterator[Members]:
    members: Members = []
    with tarfile.open(file, mode="r|*") as shard:
        for member in shard:
            match = _MEMBER.fullmatch(member.name)
            content = shard.extractfile(member) if match and member.isreg() else None
            if match is None or content is None:
                continue
            if members and members[0][0] != match["stem"]:
                yield members
                members = []
            members.append((match["stem"], match["extension"].lower(), content.read()))
    if members:
        yield members


def _record(members: Members, *, name: str, row: int) -> Found:
    values: dict[str, Any] = {}
    for stem, extension, content in members:
        if extension in values:
            return DataError(file=name, row=row, message=f"{stem} has two members .{extension}: give samples own names")
        try:
            values[extension] = _decoded(extension, content)
        except (ValueError, RecursionError) as error:
            return DataError(file=name, row=row, message=f"{stem}.{extension} cannot be read: {error}")
    described = values.pop("json", {})
    if not isinstance(described, dict):
        return DataError(file=name, row=row, message=f"{members[0][0]}.json is {kind_of(described)}, not an object")
    if half := half_character(described):
        return DataError(file=name, row=row, message=f"{members[0][0]}.json: {half_said(half)}")
    return Record(file=name, row=row, values={"key": members[0][0], **_roles(values), **values, **described})


def _decoded(extension: str, content: bytes) -> Any:
    if extension in {"txt", "text", "cls"}:
        text = content.decode()
        return int(text) if extension == "cls" and text.strip().isdecimal() else text.strip()
    if extension == "json":
        return json.loads(content)
    return content


def _roles(values: dict[str, Any]) -> dict[str, Any]:
    roles: dict[str, Any] = {}
    images = [key for key in values if f".{key}".endswith(IMAGE_SUFFIXES)]
    if len(images) == 1:
        roles["image"] = values[images[0]]
    elif images:
        roles["frames"] = [values[key] for key in sorted(images, key=_natural)]
    for role, suffixes in (("audio", AUDIO_SUFFIXES), ("video", VIDEO_SUFFIXES)):
        if key := next((key for key in values if f".{key}".endswith(suffixes)), None):
            roles[role] = values[key]
    if text := values.get("txt", values.get("text")):
        roles |= {"text": text, "caption": text}
    if "cls" in values:
        roles["label"] = values["cls"]
    return roles


def _natural(key: str) -> list[tuple[int, str]]:
    """Frame 10 after frame 9."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", key)]
