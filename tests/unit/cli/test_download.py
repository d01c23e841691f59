"""`hostler download`: the files of a Model, whole and unchanged, or a sentence that says why not."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from builders import make_model
from click.testing import CliRunner
from tables import table

from hostler.api.common import PvcSource
from hostler.api.model import ModelImport, ModelSpec, ModelStatus
from hostler.cli import download as command
from hostler.cli.download import DownloadError, artifacts_sha256, fetch, find_image, find_model
from hostler.cli.main import main
from hostler.cluster.client import Listing
from hostler.cluster.errors import ApiError, NotFound
from hostler.manifests.reader import ARCHIVE, reader_pod
from hostler.planning.imports import source_hash
from hostler_contract.importing import REPORT_FILE

Object = dict[str, Any]
FILES = {"config.json": b"{}", "model.safetensors": b"\0" * 300_000, "adapter/adapter_config.json": b"[]"}
SUCCESS = json.dumps({"status": "Success"}).encode()


def archive(files: dict[str, bytes] = FILES) -> bytes:
    """What a reader pod writes to its output."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w|") as found:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            found.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def frames(output: bytes, *, said: bytes = b"", status: bytes = SUCCESS) -> list[bytes]:
    """The same as frames of the API server."""
    pieces = [b"\1" + output[start : start + 70_000] for start in range(0, len(output), 70_000)]
    return [*pieces, *([b"\2" + said] if said else []), *([b"\3" + status] if status else [])]


class Api:
    """Of ``Connection`` what is used: where the server is, and a session."""

    def __init__(self, server: str) -> None:
        self.server = server

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()


@asynccontextmanager
async def serving(told: list[bytes], asked: list[Any] | None = None) -> AsyncIterator[Any]:
    """A server whose exec answers with these frames."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        if asked is not None:
            asked.append((request.path, request.query.getall("command"), request.query["container"]))
        stream = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await stream.prepare(request)
        for frame in told:
            await stream.send_bytes(frame)
        await stream.close()
        return stream

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/exec", answer)
    async with TestServer(app) as server:
        yield Api(str(server.make_url("")))


def spec(sha256: str | None = None) -> ModelSpec:
    artifacts = {"source": {"pvc": {"claimName": "tiny", "path": "model"}}, **({"sha256": sha256} if sha256 else {})}
    return ModelSpec.model_validate(make_model(artifacts=artifacts)["spec"])


def written(directory: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def test_the_files_arrive_whole_and_are_checked(tmp_path: Path) -> None:
    want = artifacts_sha256(written(tmp_path / "there"))
    asked: list[Any] = []
    async with serving(frames(archive()), asked) as api:
        await fetch(api, pod="reader-1", namespace="lab", directory=tmp_path / "here", spec=spec(want))
    assert {name: (tmp_path / "here" / name).read_bytes() for name in FILES} == FILES
    assert asked == [("/api/v1/namespaces/lab/pods/reader-1/exec", ["python3", "-c", ARCHIVE], "reader")]
    assert names(tmp_path) == ["here", "there"]


@table(
    ("told", "want"),
    {
        "other files than the Model's": (frames(archive({"config.json": b"[]"})), "are not those of the Model"),
        "an archive that is cut, and the command failed": (
            frames(archive()[:200_000], said=b"tarfile: Input/output error", status=b'{"status": "Failure"}'),
            "Input/output error",
        ),
        "a command that failed without a word": (
            frames(b"", status=b'{"status": "Failure", "message": "exit code 137"}'),
            "exit code 137",
        ),
        "a connection that is cut": (frames(archive(), status=b""), "was cut before the command ended"),
        "a file that leads out of the directory": (frames(archive({"../../evil": b"x"})), "could not be unpacked"),
        "something that is no archive": (frames(b"python3: not found" * 100), "could not be unpacked"),
    },
)
async def test_what_is_not_whole_or_not_right_leaves_nothing(tmp_path: Path, told: list[bytes], want: str) -> None:
    async with serving(told) as api:
        with pytest.raises((DownloadError, ApiError), match=want):
            await fetch(api, pod="reader-1", namespace="lab", directory=tmp_path / "here", spec=spec("a" * 64))
    assert names(tmp_path) == []


async def test_a_refused_exec_is_told_with_its_status(tmp_path: Path) -> None:
    async with TestServer(web.Application()) as server:
        with pytest.raises(ApiError, match="refused: 404"):
            await fetch(
                Api(str(server.make_url(""))),  # type: ignore[arg-type]
                pod="gone",
                namespace="lab",
                directory=tmp_path / "here",
                spec=spec(),
            )


class Cluster:
    """Of ``Client`` what is used."""

    def __init__(self, model: Object | None = None, children: dict[str, list[Object]] | None = None) -> None:
        self._model, self._children = model, children or {}

    async def get(self, resource: Any, *, namespace: str, name: str) -> Object:
        if self._model is None:
            raise NotFound('models.hostler.dev "tiny" not found', code=404)
        return self._model

    async def list(self, resource: Any, *, namespace: str, selector: str) -> Listing:
        return Listing(self._children.get(resource.kind, []), 1)


@table(
    ("model", "want"),
    {
        "no such Model": (None, "there is no Model tiny in namespace lab: name its namespace with -n"),
        "files of a hub": (
            make_model(artifacts={"source": {"hf": {"repository": "a/b"}}}),
            "the files of Model tiny are on no claim, but in hf: fetch them from there, or have it imported "
            "by naming it in a service or a job",
        ),
    },
)
async def test_a_model_without_files_says_where_they_are(model: Object | None, want: str) -> None:
    with pytest.raises(DownloadError) as refused:
        await find_model(Cluster(model), "tiny", namespace="lab")  # type: ignore[arg-type]
    assert str(refused.value) == want


def test_an_importers_report_is_none_of_the_files(tmp_path: Path) -> None:
    there = written(tmp_path / "there")
    want = artifacts_sha256(there)
    (there / REPORT_FILE).write_text("{}")
    assert artifacts_sha256(there) == want


async def test_files_of_a_hub_come_from_the_claim_that_they_were_imported_to() -> None:
    model = make_model(artifacts={"source": {"hf": {"repository": "a/b"}}})
    source = ModelSpec.model_validate(model["spec"]).artifacts.source
    imported = ModelImport(source=source_hash(source), claim_name="tiny-import", path="abc", sha256="0" * 64)
    model["status"] = ModelStatus(imported=imported).model_dump(mode="json", by_alias=True, exclude_none=True)
    found = await find_model(Cluster(model), "tiny", namespace="lab")  # type: ignore[arg-type]
    assert found.artifacts.source.pvc == PvcSource(claim_name="tiny-import", path="abc")
    assert found.artifacts.sha256 == "0" * 64


def _child(image: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}


@table(
    ("children", "want"),
    {
        "the Job that made it": ({"Job": [_child("train:1")], "Deployment": [_child("serve:1")]}, "train:1"),
        "a service": ({"Deployment": [_child("serve:1")]}, "serve:1"),
    },
)
async def test_an_image_that_nodes_can_pull_is_found_nearby(children: Any, want: str) -> None:
    assert await find_image(Cluster(children=children), "lab") == want  # type: ignore[arg-type]


async def test_without_one_an_image_has_to_be_named() -> None:
    with pytest.raises(DownloadError, match="--image"):
        await find_image(Cluster(), "lab")  # type: ignore[arg-type]


def test_the_pod_may_read_and_nothing_else() -> None:
    source = PvcSource(claim_name="tiny", path="model/")
    pod = reader_pod("reader", namespace="lab", source=source, image="train:1", seconds=60)["spec"]
    (container,) = pod["containers"]
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert (mount["subPath"], mount["readOnly"], volume["persistentVolumeClaim"]["readOnly"]) == ("model", True, True)
    assert (pod["automountServiceAccountToken"], pod["activeDeadlineSeconds"]) == (False, 60)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@table(
    "make",
    {
        "a directory with something in it": lambda path: (path.mkdir(), (path / "mine").touch()),
        "a file": lambda path: path.touch(),
    },
)
def test_what_is_there_already_is_not_touched(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ask_cluster", lambda *_, **__: pytest.fail("the cluster was asked"))
    make(tmp_path / "tiny")
    done = CliRunner().invoke(main, ["download", "tiny", "--to", str(tmp_path / "tiny")])
    assert done.exit_code == 1
    assert "exists and is not empty: name another directory with --to" in done.output
