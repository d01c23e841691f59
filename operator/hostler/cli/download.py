"""`hostler download MODEL`: a model's files, out of the cluster and onto this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from pydantic import ValidationError

from hostler.api.model import ModelSpec, ModelStatus
from hostler.cli.access import Access, ask_cluster
from hostler.cli.names import ObjectName
from hostler.cli.refusals import without_kind
from hostler.cluster.client import Client, Object
from hostler.cluster.connection import Connection
from hostler.cluster.errors import NotFound
from hostler.cluster.execution import run_in_pod
from hostler.cluster.resources import OURS, resource_of
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests.reader import ARCHIVE, CONTAINER, reader_pod
from hostler.planning import pods as read
from hostler.planning.imports import resolved
from hostler_contract.importing import REPORT_FILE
from hostler_data.files import sha256_of

_POLL_SECONDS = 0.5
_POD_SECONDS = 6 * 3600
"""After this the pod ends by itself: time for a large model on a slow line."""


class DownloadError(Exception):
    """There are no files to be had, with the reason and the way out."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=ObjectName())
@click.option(
    "-n", "--namespace", type=ObjectName(), default="default", show_default=True, help="Namespace of the Model."
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="Directory to make.  [default: ./MODEL]")
@click.option(
    "--image", help="Image with python3 for the pod that reads the claim.  [default: that of a pod of ours nearby]"
)
@click.option("--start-timeout", default=120, show_default=True, help="Seconds until that pod must run.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead of $KUBECONFIG and ~/.kube/config.",
)
def download(
    model: str,
    *,
    namespace: str,
    target: Path | None,
    image: str | None,
    start_timeout: int,
    kubeconfig: Path | None,
) -> None:
    """Copy the files of a Model, and check them against its hash. The model can be served meanwhile."""
    directory = target or Path(model)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise click.ClickException(f"{directory} exists and is not empty: name another directory with --to")
    try:
        ask_cluster(
            lambda access: _download(access, model, directory, image=image, start_timeout=start_timeout),
            kubeconfig=kubeconfig,
            namespace=namespace,
        )
    except (DownloadError, OSError) as error:
        raise click.ClickException(str(error)) from error
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    click.echo(f"{directory}: {size:,} bytes of Model {model}")


async def _download(access: Access, model: str, directory: Path, *, image: str | None, start_timeout: int) -> None:
    client, namespace = access.client, access.namespace
    spec = await find_model(client, model, namespace=namespace)
    found = image or await find_image(client, namespace)
    assert spec.artifacts.source.pvc is not None
    name = f"download-{model[:40]}-{secrets.token_hex(3)}"
    pod = reader_pod(name, namespace=namespace, source=spec.artifacts.source.pvc, image=found, seconds=_POD_SECONDS)
    made = await client.create(pod)
    try:
        await _until_it_runs(client, made, timeout=start_timeout)
        await fetch(access.connection, pod=name, namespace=namespace, directory=directory, spec=spec)
    finally:
        await client.delete(resource_of("Pod"), namespace=namespace, name=name, uid=made["metadata"]["uid"])


async def find_model(client: Client, name: str, *, namespace: str) -> ModelSpec:
    """The Model, if its files can be read: those of a hub from the claim that they were imported to. Raises
    :class:`DownloadError`."""
    try:
        found = await client.get(resource_of("Model"), namespace=namespace, name=name)
    except NotFound as error:
        if without_kind(error):
            raise
        raise DownloadError(f"there is no Model {name} in namespace {namespace}: name its namespace with -n") from error
    try:
        spec = ModelSpec.model_validate(found["spec"])
        spec = resolved(spec, ModelStatus.model_validate(found.get("status") or {}))
    except ValidationError as error:
        raise DownloadError(f"Model {name}: {invalid_spec_sentence(error)}") from error
    source = spec.artifacts.source
    if source.pvc is None:
        raise DownloadError(
            f"the files of Model {name} are on no claim, but in {source.member}: fetch them from there, or have it "
            "imported by naming it in a service or a job"
        )
    return spec


async def find_image(client: Client, namespace: str) -> str:
    """The image of a Job or Deployment of ours in this namespace, which its nodes can pull. Raises
    :class:`DownloadError`."""
    for kind in ("Job", "Deployment"):
        for each in (await client.list(resource_of(kind), namespace=namespace, selector=OURS)).items:
            containers = each["spec"]["template"]["spec"]["containers"]
            return str(containers[0]["image"])
    raise DownloadError(f"nothing of Hostler's runs in namespace {namespace}: name an image with python3 by --image")


async def _until_it_runs(client: Client, pod: Object, *, timeout: int) -> None:
    metadata, deadline = pod["metadata"], time.monotonic() + timeout
    while not read.is_running(pod):
        obstacle = read.start_obstacle(pod)
        if read.is_terminal(pod) or time.monotonic() > deadline:
            why = obstacle[0] if obstacle is not None else f"it is {read.phase(pod)}"
            raise DownloadError(f"pod {metadata['name']} did not start within {timeout} s: {why}")
        await asyncio.sleep(_POLL_SECONDS)
        pod = await client.get(resource_of("Pod"), namespace=metadata["namespace"], name=metadata["name"])


async def fetch(connection: Connection, *, pod: str, namespace: str, directory: Path, spec: ModelSpec) -> None:
    """The files into ``directory``, whole or not at all. Raises :class:`DownloadError` where they are not what the
    Model says."""
    with _whole(directory, wanted=spec.artifacts.sha256) as partial, _unpacking(partial) as stream:
        await run_in_pod(
            connection,
            namespace=namespace,
            pod=pod,
            container=CONTAINER,
            command=("python3", "-c", ARCHIVE),
            take=lambda data: _write(stream, data),
        )


@contextmanager
def _whole(directory: Path, *, wanted: str | None) -> Iterator[Path]:
    """A directory beside the one that is asked for, which gets its name when all of it is there and right."""
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        got = artifacts_sha256(partial)
        if wanted is not None and got != wanted:
            raise DownloadError(
                f"the files are not those of the Model: their hash is {got}, and spec.artifacts.sha256 is {wanted}; "
                "somebody has changed them on the claim"
            )
        if directory.exists():
            directory.rmdir()
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def artifacts_sha256(directory: Path) -> str:
    """The hash of a Model's files, as trainer and importer compute it: over sorted names and hashes."""
    report = directory / REPORT_FILE
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != report)
    lines = (f"{path.relative_to(directory).as_posix()} {sha256_of(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def _unpacking(directory: Path) -> Iterator[int]:
    """The writing end of a pipe from which a thread unpacks an archive, so that no second copy of it is needed."""
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def unpack() -> None:
        with os.fdopen(reading, "rb") as source:
            try:
                with tarfile.open(fileobj=source, mode="r|") as archive:
                    archive.extractall(directory, filter="data")
            except (tarfile.TarError, OSError) as error:
                failures.append(error)
            while source.read(1 << 20):
                pass  # or the writer would wait for ever

    thread = threading.Thread(target=unpack, name="unpack")
    thread.start()
    try:
        yield writing
    finally:
        os.close(writing)
        thread.join()
    if failures:
        raise DownloadError(f"the files could not be unpacked: {failures[0]}")


def _write(stream: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(stream, view) :]
