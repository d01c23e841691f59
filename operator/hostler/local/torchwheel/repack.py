"""From PyPI's CUDA wheel to the CPU wheel: unpack, replace the libraries, edit METADATA, pack again."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from hostler.local.torchwheel.elf import read_library
from hostler.local.torchwheel.errors import TorchWheelError
from hostler.local.torchwheel.pins import (
    DROPPED_LIBRARIES,
    DROPPED_PATHS,
    DROPPED_REQUIREMENTS,
    LOCAL_VERSION,
    TORCH_VERSION,
)
from hostler.local.torchwheel.stubs import plan_stubs, write_stubs

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""One date for every member, so that the same input gives the same bytes."""


def repack(wheel: Path, *, output: Path, scratch: Path) -> Path:
    """Write ``torch-<version>+cpuslim-<tags>.whl`` into ``output``; ``scratch`` is an empty directory to work in."""
    tree = scratch / "tree"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree, members=[name for name in archive.namelist() if wanted(name)])
    replace_libraries(tree, scratch=scratch)
    rename_distribution(tree)
    tags = wheel.name.removesuffix(".whl").split("-", maxsplit=2)[2]
    target = output / f"torch-{LOCAL_VERSION}-{tags}.whl"
    write_wheel(tree, target=target)
    return target


def wanted(member: str) -> bool:
    """True for what is unpacked at all."""
    return not member.startswith(DROPPED_PATHS) and not member.endswith(".dist-info/RECORD")


def replace_libraries(tree: Path, *, scratch: Path) -> None:
    """Remove the CUDA libraries and put stubs where the loader will look."""
    libraries = tree / "torch" / "lib"
    paths = [*sorted(libraries.glob("*.so*")), *sorted((tree / "torch").glob("_C*.so"))]
    dropped = [path for path in paths if path.name in DROPPED_LIBRARIES]
    if absent := sorted(set(DROPPED_LIBRARIES) - {path.name for path in dropped}):
        raise TorchWheelError(f"the wheel lacks {', '.join(absent)}: it is not the CUDA build this recipe is made for")
    plan = plan_stubs(
        kept=[read_library(path) for path in paths if path not in dropped],
        dropped=[read_library(path) for path in dropped],
    )
    for path in dropped:
        path.unlink()
    write_stubs(plan, target=libraries, scratch=scratch)


def rename_distribution(tree: Path) -> None:
    """Give the distribution its local version and remove the requirements that bring CUDA back."""
    old = tree / f"torch-{TORCH_VERSION}.dist-info"
    metadata = old / "METADATA"
    metadata.write_text(edit_metadata(metadata.read_text(encoding="utf-8")), encoding="utf-8")
    old.rename(tree / f"torch-{LOCAL_VERSION}.dist-info")


def edit_metadata(text: str) -> str:
    """METADATA of the CPU build."""
    names = "|".join(map(re.escape, DROPPED_REQUIREMENTS))
    text = re.sub(rf"^Requires-Dist: (?:{names}).*\n", "", text, flags=re.MULTILINE)
    text, replaced = re.subn(r"^Version: .*$", f"Version: {LOCAL_VERSION}", text, count=1, flags=re.MULTILINE)
    if not replaced:
        raise TorchWheelError("the wheel's METADATA has no Version line")
    return text


def write_wheel(tree: Path, *, target: Path) -> None:
    """Pack ``tree`` with a fresh RECORD; written beside the target and renamed, so a half wheel is never seen."""
    partial = target.with_suffix(".partial")
    record = next(tree.glob("*.dist-info")).name + "/RECORD"
    rows = []
    with zipfile.ZipFile(partial, "w") as archive:
        for path in _files(tree):
            name = path.relative_to(tree).as_posix()
            content = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(content)}")
            archive.writestr(_member(name, mode=path.stat().st_mode & 0o777), content, compresslevel=6)
        rows.append(f"{record},,")
        archive.writestr(_member(record, mode=0o644), "\n".join(rows) + "\n", compresslevel=6)
    partial.rename(target)


def _files(tree: Path) -> Iterable[Path]:
    return (path for path in sorted(tree.rglob("*")) if path.is_file())


def _member(name: str, *, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, date_time=_EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    # zipfile drops permissions when it unpacks; installers restore them from here.
    member.external_attr = (0o100755 if mode & 0o100 or name.startswith("torch/bin/") else 0o100644) << 16
    return member
