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
from dataclasses import dataclass
from pathlib import Path

from hostler.local.cluster import handle, load_archive, load_image
from hostler.local.errors import ImageError
from hostler.local.images import builders, rootfs
from hostler.local.images.builders import Build
from hostler.local.images.export import configuration_of, export_on_parent, mounted
from hostler.local.images.table import (
    DOCKER_BASE,
    IMAGES,
    Builder,
    ImageSpec,
    copy_inputs,
    lineage,
    reference_of,
    source_root,
)
from hostler.local.layout import exported
from hostler.local.naming import DEFAULT_NAME, cache_root
from hostler.local.native.preflight import snapshotter
from hostler.local.stages import Stages
from hostler.local.tools import ensure_packages

Note = Callable[[str], None]
KEPT_VERSIONS = 4


def _foundation(builder: Builder) -> str:
    return DOCKER_BASE if builder == "docker" else f"localhost/hostler/rootfs:{rootfs.key()}"


def reference(name: str, *, builder: Builder = "buildah") -> str:
    """The reference of an image as the source tree now stands, built or not."""
    return reference_of(name, root=source_root(), builder=builder, foundation=_foundation(builder))


def stale(*, builder: Builder = "buildah") -> list[str]:
    """Names of the images that a build of everything would make; looks only at what was exported."""
    chain = {spec.name: spec for name, entry in IMAGES.items() if entry.loaded for spec in lineage(name)}
    return [name for name in chain if not exported().has(reference(name, builder=builder))]


def build(
    names: Sequence[str] | None = None, *, builder: Builder = "buildah", stages: Stages | None = None
) -> dict[str, str]:
    """Build the images that are stale; returns the reference of each by name."""
    stages = stages or Stages()
    wanted = list(names) if names is not None else [name for name, spec in IMAGES.items() if spec.loaded]
    chain = {spec.name: spec for name in wanted for spec in lineage(name)}
    if builder == "buildah":
        ensure_packages(lambda _: None)
    with _exclusive(), tempfile.TemporaryDirectory() as scratch:
        # Everything is built from a copy of the inputs, so that an edit during a build cannot end up under a name
        # that was computed before it.
        snapshot = Path(scratch)
        for spec in chain.values():
            copy_inputs(spec, source=source_root(), target=snapshot)
        if builder == "buildah":
            # Working containers, with their mounts, of a build that was killed.
            subprocess.run([*_store(), "rm", "--all"], capture_output=True, check=False)
        work = _Work(builder, snapshot, stages)
        made = {name: work.ensure(spec) for name, spec in chain.items()}
        if builder == "buildah":
            _prune()
    return {name: made[name] for name in wanted}


@dataclass(frozen=True)
class _Work:
    """One run of a builder over a snapshot of the sources."""

    builder: Builder
    sources: Path
    stages: Stages

    def _reference(self, name: str) -> str:
        return reference_of(name, root=self.sources, builder=self.builder, foundation=_foundation(self.builder))

    def ensure(self, spec: ImageSpec) -> str:
        """Build an image unless it exists; its parent does by now."""
        wanted = self._reference(spec.name)
        if not _exists(wanted, builder=self.builder):
            with self.stages.stage(f"image {spec.name}") as note, tempfile.TemporaryDirectory() as context:
                copy_inputs(spec, source=self.sources, target=Path(context))
                self._build(spec, wanted, context=Path(context), note=note)
        return wanted

    def _build(self, spec: ImageSpec, wanted: str, *, context: Path, note: Note) -> None:
        parent = self._reference(spec.parent) if spec.parent else _ensure_foundation(self.builder, note)
        if spec.ingredients:
            note("ingredients")
        one = Build(
            reference=wanted,
            containerfile=context / spec.containerfile,
            context=context,
            arguments={"BASE_IMAGE": parent, **spec.arguments},
            contexts={key: ingredient.directory() for key, ingredient in spec.ingredients.items()},
        )
        note("building")
        if self.builder == "docker":
            _run(builders.docker_build(one))
            return
        with _pip_directory() as pip_config:
            # The lowest image makes the mount point.
            mounted = pip_config if spec.parent else None
            _run(builders.buildah_build(one, store=_store(), pip_config=mounted, environ=os.environ))
        note("exporting")
        _export(wanted, parent=parent if spec.parent else None)


def _export(wanted: str, *, parent: str | None) -> None:
    store, layout = _store(), exported()
    if parent is None:
        _run(builders.buildah_export(wanted, store=store, layout=layout.directory))
        return
    with mounted(store, [parent, wanted]) as (lower, upper):
        configuration = configuration_of(store, wanted)
        export_on_parent(wanted, parent=parent, layout=layout, configuration=configuration, trees=(lower, upper))


def _prune() -> None:
    """Keep the newest few of each image: every change of the code makes another."""
    for dropped in exported().prune(keep=KEPT_VERSIONS):
        # One that a newer image stands on stays in the store; it shares all layers anyway.
        subprocess.run([*_store(), "rmi", dropped], capture_output=True, check=False)


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
            receivers = load_image(cluster, wanted)
            if receivers:
                note(f"{wanted} into {', '.join(receivers)}")
    return made


def load_foreign(cluster: str, what: str) -> list[str]:
    """Bring an archive, or an image that buildah or docker has on this machine, into every node."""
    if Path(what).exists():
        return load_archive(cluster, Path(what))
    if handle(cluster).provider == "kind":
        return load_image(cluster, what)
    with tempfile.TemporaryDirectory(dir=cache_root()) as scratch:
        archive = Path(scratch) / "image.tar"
        done = subprocess.run(builders.buildah_archive(what, archive), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(
                f"{what!r} is no image of ours, no archive, and no image that buildah has",
                way_out=f"give a path, a reference, or one of {', '.join(IMAGES)}",
            )
        return load_archive(cluster, archive)


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
