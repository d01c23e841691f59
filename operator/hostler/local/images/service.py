"""Building what is stale, exporting it, and loading it into the nodes that lack it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hostler.local.cluster import handle, load_image
from hostler.local.errors import ImageError
from hostler.local.images import builders, rootfs
from hostler.local.images.builders import Build
from hostler.local.images.table import (
    DOCKER_BASE,
    IMAGES,
    Builder,
    ImageSpec,
    lineage,
    reference_of,
    source_root,
)
from hostler.local.layout import Layout
from hostler.local.naming import DEFAULT_NAME, cache_root
from hostler.local.native.preflight import snapshotter
from hostler.local.stages import Stages
from hostler.local.tools import ensure_packages

Note = Callable[[str], None]


def _foundation(builder: Builder) -> str:
    return DOCKER_BASE if builder == "docker" else f"localhost/hostler/rootfs:{rootfs.key()}"


def reference(name: str, *, builder: Builder = "buildah") -> str:
    """The reference of an image as the source tree now stands, built or not."""
    return reference_of(name, root=source_root(), builder=builder, foundation=_foundation(builder))


def exported() -> Layout:
    return Layout(cache_root() / "images")


def build(
    names: Sequence[str] | None = None, *, builder: Builder = "buildah", stages: Stages | None = None
) -> dict[str, str]:
    """Build the images that are stale; returns the reference of each by name."""
    stages = stages or Stages()
    wanted = list(names) if names is not None else [name for name, spec in IMAGES.items() if spec.loaded]
    made = {}
    with _exclusive():
        for name in wanted:
            for spec in lineage(name):
                made[spec.name] = _build_one(spec, builder=builder, stages=stages)
    return {name: made[name] for name in wanted}


def _build_one(spec: ImageSpec, *, builder: Builder, stages: Stages) -> str:
    wanted = reference(spec.name, builder=builder)
    if _exists(wanted, builder=builder):
        return wanted
    with stages.stage(f"image {spec.name}") as note:
        parent = reference(spec.parent, builder=builder) if spec.parent else _ensure_foundation(builder, note)
        if spec.ingredients:
            note("ingredients")
        one = Build(
            reference=wanted,
            containerfile=source_root() / spec.containerfile,
            context=source_root(),
            arguments={"BASE_IMAGE": parent, **spec.arguments},
            contexts={key: ingredient.directory() for key, ingredient in spec.ingredients.items()},
        )
        note("building")
        if builder == "docker":
            _run(builders.docker_build(one))
            return wanted
        with _pip_directory() as pip_config:
            # The lowest image makes the mount point.
            mounted = pip_config if spec.parent else None
            _run(builders.buildah_build(one, store=_store(), pip_config=mounted, environ=os.environ))
        note("exporting")
        _run(builders.buildah_export(wanted, store=_store(), layout=exported().directory))
    return wanted


def _exists(wanted: str, *, builder: Builder) -> bool:
    if builder == "docker":
        return subprocess.run(["docker", "image", "inspect", wanted], capture_output=True, check=False).returncode == 0
    # Both: the export feeds the nodes, and buildah's own copy is what images above it are built on.
    return exported().has(wanted) and _in_store(wanted)


def _in_store(wanted: str) -> bool:
    argv = [*_store(), "inspect", "--type", "image", "--format", "{{.FromImageID}}", wanted]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _ensure_foundation(builder: Builder, note: Note) -> str:
    """debootstrap's tree as an image; docker takes a public one."""
    wanted = _foundation(builder)
    if builder == "docker" or _in_store(wanted):
        return wanted
    ensure_packages(note)
    with tempfile.TemporaryDirectory(dir=cache_root()) as scratch:
        rootfs.make(Path(scratch) / "rootfs.tar", note=note)
        containerfile = Path(scratch) / "Containerfile"
        containerfile.write_text("FROM scratch\nADD rootfs.tar /\n")
        one = Build(wanted, containerfile, Path(scratch), arguments={}, contexts={})
        _run(builders.buildah_build(one, store=_store(), pip_config=None, environ={}))
    return wanted


def _store() -> list[str]:
    directory = cache_root() / "buildah"
    driver = "vfs" if snapshotter(directory) == "native" else "overlay"
    return builders.storage(directory, driver=driver)


@contextmanager
def _pip_directory() -> Iterator[Path]:
    """The machine's pip configuration and CA bundle, for the time of one build."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    bundle = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
    with tempfile.TemporaryDirectory() as scratch:
        settings = builders.parse_pip_list(done.stdout)
        text = builders.pip_configuration(settings, has_bundle=bundle.exists())
        (Path(scratch) / "pip.conf").write_text(text)
        if bundle.exists():
            shutil.copyfile(bundle, Path(scratch) / "ca.crt")
        yield Path(scratch)


def ensure_loaded(
    cluster: str = DEFAULT_NAME, names: Sequence[str] | None = None, *, stages: Stages | None = None
) -> dict[str, str]:
    """Build what is stale and load it into every node that lacks it; returns the references by name."""
    stages = stages or Stages()
    builder: Builder = "docker" if handle(cluster).provider == "kind" else "buildah"
    made = build(names, builder=builder, stages=stages)
    with stages.stage("images into nodes") as note:
        for wanted in made.values():
            receivers = load_image(cluster, wanted, layout=exported())
            if receivers:
                note(f"{wanted} into {', '.join(receivers)}")
    return made


@contextmanager
def _exclusive() -> Iterator[None]:
    """One builder at a time; a second caller finds what the first one made."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "images.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(argv: Sequence[str], *, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ImageError(f"`{' '.join(argv)}` failed:\n" + "\n".join(lines[-15:]))
