"""Names of images, what they depend on, and the command lines that build them."""

from __future__ import annotations

import io
import itertools
import json
import re
import shlex
import tarfile
from pathlib import Path

import pytest
from tables import table

from hostler.local.errors import ImageError
from hostler.local.images import builders, rootfs
from hostler.local.images import table as catalog
from hostler.local.images.builders import Build
from hostler.local.images.table import IMAGES, ImageSpec, Ingredient, reference_of
from hostler.local.layout import Layout, superseded
from hostler.local.native import pause


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree with two images, one on top of the other."""
    for name, text in {"low/Containerfile": "FROM x", "high/Containerfile": "FROM y", "code/a.py": "1"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    made = {
        "low": ImageSpec("low", "low/Containerfile", (), parent=None),
        "high": ImageSpec("high", "high/Containerfile", ("code/**/*",), parent="low"),
    }
    monkeypatch.setattr(catalog, "IMAGES", made)
    return tmp_path


def references(tree: Path, *, builder: catalog.Builder = "buildah", foundation: str = "f") -> dict[str, str]:
    return {name: reference_of(name, root=tree, builder=builder, foundation=foundation) for name in ("low", "high")}


def test_the_same_inputs_have_the_same_name(tree: Path) -> None:
    before = references(tree)
    (tree / "code" / "__pycache__").mkdir()
    (tree / "code" / "__pycache__" / "a.pyc").write_text("compiled")
    (tree / "elsewhere").write_text("not an input")
    assert references(tree) == before
    assert before["low"].startswith("localhost/hostler/low:")
    assert len(before["low"].rpartition(":")[2]) == 12


def test_an_input_changes_its_image_and_a_parent_all_above_it(tree: Path) -> None:
    before = references(tree)
    (tree / "code" / "a.py").write_text("2")
    code = references(tree)
    assert (code["low"] == before["low"], code["high"] == before["high"]) == (True, False)
    (tree / "low" / "Containerfile").write_text("FROM z")
    parent = references(tree)
    assert (parent["low"] == code["low"], parent["high"] == code["high"]) == (False, False)


@pytest.mark.parametrize("change", ["renamed", "executable", "split"])
def test_names_modes_and_borders_of_files_count(tree: Path, change: str) -> None:
    before = references(tree)["high"]
    file = tree / "code" / "a.py"
    if change == "renamed":
        file.rename(tree / "code" / "b.py")
    elif change == "executable":
        file.chmod(0o755)
    else:
        (tree / "code" / "b.py").write_text("")
    assert references(tree)["high"] != before


def test_the_foundation_and_the_builder_count(tree: Path) -> None:
    assert references(tree)["low"] != references(tree, foundation="g")["low"]
    assert references(tree)["low"] != references(tree, builder="docker")["low"]


def test_an_ingredient_counts_by_its_key(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_key(key: str) -> str:
        ingredient = Ingredient(key=lambda: key, directory=Path)
        spec = ImageSpec("low", "low/Containerfile", (), parent=None, ingredients={"wheels": ingredient})
        monkeypatch.setitem(catalog.IMAGES, "low", spec)
        return references(tree)["low"]

    assert with_key("1") != with_key("2")
    assert with_key("1") == with_key("1")


def test_unknown_and_unwritten_images_are_named(tree: Path) -> None:
    with pytest.raises(ImageError, match="unknown image 'lwo': choose one of low, high"):
        catalog.spec_of("lwo")
    (tree / "low" / "Containerfile").unlink()
    with pytest.raises(ImageError, match=r"image 'low' has no low/Containerfile"):
        references(tree)


def test_every_image_stands_on_the_base() -> None:
    for name in IMAGES:
        assert catalog.lineage(name)[0].name == "base", name
        assert catalog.lineage(name)[-1].name == name


BUILD = Build("ref:1", Path("images/x/Containerfile"), Path("/src"), {"BASE_IMAGE": "b:1"}, {"wheels": Path("/w")})


def test_buildah_mounts_the_machines_pip_configuration_and_keeps_none_of_it() -> None:
    argv = builders.buildah_build(
        BUILD,
        store=["buildah"],
        pip_config=Path("/tmp/pip"),
        environ={"https_proxy": "http://proxy:3128", "SECRET": "x"},
    )
    line = " ".join(argv)
    assert "--isolation chroot --network host" in line
    assert "--volume /tmp/pip:/etc/xdg/pip:ro" in line
    assert "--build-arg=https_proxy=http://proxy:3128" in line
    assert "SECRET" not in line
    assert line.endswith(
        "--build-arg=BASE_IMAGE=b:1 --build-context=wheels=/w --tag ref:1 --file images/x/Containerfile /src"
    )


def test_docker_builds_the_same_containerfile_with_the_same_arguments() -> None:
    assert " ".join(builders.docker_build(BUILD)) == (
        "docker build --build-arg=BASE_IMAGE=b:1 --build-context=wheels=/w --tag ref:1 "
        "--file images/x/Containerfile /src"
    )


def test_pip_configuration_carries_indexes_but_no_local_paths() -> None:
    listed = "\n".join(
        [
            "global.index-url='https://mirror.example/simple'",
            "global.cert='/etc/ssl/own.crt'",
            ":env:.find-links='/opt/wheels'",
            ":env:.default-timeout='180'",
        ]
    )
    text = builders.pip_configuration(builders.parse_pip_list(listed), has_bundle=True)
    assert "index-url = https://mirror.example/simple" in text
    assert "timeout = 180" in text
    assert "cert = /etc/xdg/pip/ca.crt" in text
    assert "/opt/wheels" not in text
    assert "/etc/ssl/own.crt" not in text


@table(
    ("sources", "want"),
    {
        "one line": ("deb http://mirror.example/debian bookworm main", "http://mirror.example/debian"),
        "with options": (
            "deb [signed-by=/k.gpg arch=amd64] https://m.example/debian/ bookworm main",
            "https://m.example/debian",
        ),
        "deb822": ("Types: deb\nURIs: http://mirror.example/debian\n", "http://mirror.example/debian"),
        "commented out": ("# deb http://mirror.example/debian bookworm main", rootfs.DEFAULT_MIRROR),
        "security only": ("URIs: http://deb.debian.org/debian-security", rootfs.DEFAULT_MIRROR),
        "another distribution": ("deb http://archive.ubuntu.com/ubuntu jammy main", rootfs.DEFAULT_MIRROR),
    },
)
def test_the_machines_mirror(sources: str, want: str) -> None:
    assert rootfs.debian_mirror(sources) == want


def _layout(tmp_path: Path) -> Layout:
    archive = pause.archive(b"program", reference="localhost/x:1", machine="x86_64")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path, filter="data")
    index = json.loads((tmp_path / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "localhost/x:1"}
    (tmp_path / "index.json").write_text(json.dumps(index))
    return Layout(tmp_path)


def _blobs(layout: Layout, *, without: set[str]) -> set[str]:
    buffer = io.BytesIO()
    layout.write_archive("localhost/x:1", buffer, without=without)
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        index = json.load(tar.extractfile("index.json") or io.BytesIO())
        assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "localhost/x:1"}
        return {name.removeprefix("blobs/").replace("/", ":") for name in tar.getnames() if name.startswith("blobs/")}


def test_a_node_is_sent_what_it_lacks_and_always_the_manifest(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    manifest, config, layer = layout.digests("localhost/x:1")
    assert _blobs(layout, without=set()) == {manifest, config, layer}
    assert _blobs(layout, without={layer, manifest}) == {manifest, config}


def test_an_image_is_there_only_with_all_of_its_parts(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    assert layout.has("localhost/x:1")
    assert not layout.has("localhost/x:2")
    layer = layout.digests("localhost/x:1")[-1]
    (tmp_path / "blobs" / layer.replace(":", "/")).unlink()
    assert not layout.has("localhost/x:1"), "a killed export left a part out"


def test_only_the_newest_versions_of_an_image_are_kept() -> None:
    references = ["r/a:1", "r/b:1", "r/a:2", "r/a:3", "r/b:2"]
    assert superseded(references, keep=2) == ["r/a:1"]
    assert superseded(references, keep=1) == ["r/a:1", "r/a:2", "r/b:1"]


def test_pruning_drops_blobs_that_no_other_image_has(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    newer = {**index["manifests"][0], "annotations": {"org.opencontainers.image.ref.name": "localhost/x:2"}}
    (tmp_path / "index.json").write_text(json.dumps({**index, "manifests": [*index["manifests"], newer]}))
    (tmp_path / "blobs" / "sha256" / ("0" * 64)).write_text("of an image that is gone")
    assert layout.prune(keep=1) == ["localhost/x:1"]
    assert layout.references() == ["localhost/x:2"]
    assert layout.has("localhost/x:2"), "what both have stays"
    assert len(list((tmp_path / "blobs" / "sha256").iterdir())) == 3


def test_a_build_sees_its_inputs_and_nothing_else(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tree / "code" / "run.sh").write_text("#!/bin/sh")
    (tree / "code" / "run.sh").chmod(0o755)
    (tree / "undeclared").write_text("x")
    target = tmp_path_factory.mktemp("context")
    catalog.copy_inputs(catalog.spec_of("high"), source=tree, target=target)
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == {
        "high/Containerfile",
        "code/a.py",
        "code/run.sh",
    }
    (target / "low").mkdir()
    (target / "low" / "Containerfile").write_bytes((tree / "low" / "Containerfile").read_bytes())
    assert references(target)["high"] == references(tree)["high"], "the copy has the name of the original"


ROOT = Path(__file__).parents[3]


def documented_builds() -> list[list[str]]:
    """The `docker build` commands of the page about images, as words."""
    page = (ROOT / "docs" / "operations" / "images.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in page.splitlines() if line.startswith("docker build")]


def given(command: list[str], option: str) -> list[str]:
    """Values of an option."""
    return [value for name, value in itertools.pairwise(command) if name == option]


@pytest.mark.parametrize("command", documented_builds(), ids=lambda command: given(command, "--file")[0])
def test_a_documented_build_gives_what_its_containerfile_takes(command: list[str]) -> None:
    (path,) = given(command, "--file")
    text = (ROOT / path).read_text(encoding="utf-8")
    arguments = dict(re.findall(r"^ARG (\w+)(=?)", text, re.MULTILINE))
    named = {value.partition("=")[0] for value in given(command, "--build-arg")}
    assert {name for name, default in arguments.items() if not default} <= named <= set(arguments)
    contexts = {value.partition("=")[0] for value in given(command, "--build-context")}
    assert contexts == set(re.findall(r"from=(\w+)", text))


def test_documented_builds_stand_on_each_other() -> None:
    made: set[str] = set()
    for command in documented_builds():
        parents = {
            value.partition("=")[2] for value in given(command, "--build-arg") if value.startswith("BASE_IMAGE=")
        }
        assert parents <= made
        made.update(given(command, "--tag"))
    assert {name.rpartition("/")[2] for name in made} >= {"runtime-train:0.1.0-cuda", "runtime-serve:0.1.0-cuda"}
