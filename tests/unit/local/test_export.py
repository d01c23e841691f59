"""Exporting an image as its parent and one layer: what counts as a difference, and what the layer holds."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from hostler.local.images.export import Difference, compare, export_on_parent, write_layer
from hostler.local.layout import Layout


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Two trees that share their files, as two images share the files of a common layer."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("etc/passwd", "opt/app/a.py", "opt/app/b.py", "opt/old/x"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text(name)
    subprocess.run(["cp", "-al", str(lower), str(upper)], check=True)
    return lower, upper


def change(file: Path, text: str) -> None:
    """Change a file of the upper tree only, as a copy-up does."""
    file.unlink()
    file.write_text(text)


def test_equal_trees_do_not_differ(trees: tuple[Path, Path]) -> None:
    assert compare(*trees) == Difference((), ())


def test_changes_additions_and_removals_are_found(trees: tuple[Path, Path]) -> None:
    lower, upper = trees
    change(upper / "opt/app/a.py", "changed")
    (upper / "opt/app/new").mkdir()
    (upper / "opt/app/new/c.py").write_text("new")
    (upper / "opt/app/link").symlink_to("a.py")
    (upper / "etc/passwd").unlink()
    (upper / "opt/old/x").unlink()
    (upper / "opt/old").rmdir()
    assert compare(lower, upper) == Difference(
        written=("opt/app/a.py", "opt/app/link", "opt/app/new", "opt/app/new/c.py"),
        removed=("etc/passwd", "opt/old"),
    )


def test_a_directory_with_other_rights_and_an_entry_of_another_type_are_written(trees: tuple[Path, Path]) -> None:
    lower, upper = trees
    (upper / "etc").chmod(0o700)
    (upper / "opt/app/b.py").unlink()
    (upper / "opt/app/b.py").mkdir()
    (upper / "opt/app/b.py/inner").write_text("x")
    assert compare(lower, upper).written == ("etc", "opt/app/b.py", "opt/app/b.py/inner")


def test_an_empty_directory_is_written(trees: tuple[Path, Path]) -> None:
    lower, upper = trees
    (upper / "data").mkdir()
    assert compare(lower, upper).written == ("data",)


def layer(upper: Path, difference: Difference) -> tarfile.TarFile:
    buffer = io.BytesIO()
    write_layer(upper, difference, buffer)
    return tarfile.open(fileobj=io.BytesIO(buffer.getvalue()))


def test_the_layer_keeps_modes_times_and_links_and_marks_what_is_gone(trees: tuple[Path, Path]) -> None:
    lower, upper = trees
    change(upper / "opt/app/a.py", "changed")
    (upper / "opt/app/a.py").chmod(0o755)
    os.utime(upper / "opt/app/a.py", (1, 1000))
    os.link(upper / "opt/app/a.py", upper / "opt/app/same")
    (upper / "opt/app/link").symlink_to("a.py")
    (upper / "etc/passwd").unlink()
    tar = layer(upper, compare(lower, upper))
    assert tar.getnames() == ["etc/.wh.passwd", "opt/app/a.py", "opt/app/link", "opt/app/same"]
    member = tar.getmember("opt/app/a.py")
    assert (member.mode, member.mtime, member.size) == (0o755, 1000, 7)
    assert tar.getmember("opt/app/link").linkname == "a.py"
    assert tar.getmember("opt/app/same").linkname == "opt/app/a.py", "one file under two names stays one"


def test_the_image_is_its_parents_layers_and_one_more(trees: tuple[Path, Path], tmp_path: Path) -> None:
    lower, upper = trees
    layout = Layout(tmp_path / "layout")
    (layout.directory / "blobs" / "sha256").mkdir(parents=True)
    (layout.directory / "base.tar").write_bytes(b"the parent's layer")
    base = layout.add_file(layout.directory / "base.tar", media_type="t")
    layout.add_image("r/base:1", config={"rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}, layers=[base])
    change(upper / "opt/app/a.py", "changed")
    configuration = {"architecture": "amd64", "config": {"User": "65532"}, "rootfs": {"diff_ids": ["other"]}}
    export_on_parent("r/app:1", parent="r/base:1", layout=layout, configuration=configuration, trees=(lower, upper))
    assert layout.has("r/app:1")
    layers = layout.manifest("r/app:1")["layers"]
    assert (layers[0], len(layers)) == (base, 2)
    made = layout.configuration("r/app:1")
    assert made["config"] == {"User": "65532"}
    assert (made["rootfs"]["diff_ids"][0], len(made["rootfs"]["diff_ids"])) == ("sha256:0", 2)
    assert layout.references() == ["r/base:1", "r/app:1"]
