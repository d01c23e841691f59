"""A model from a registry: as an image or as an artifact, compressed or not, with credentials or without."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.models import llama
from runtime.importing.registryserver import EMPTY, IMAGE_LAYER, INDEX, RegistryServer, manifest, tar
from runtime.importing.volume import WANTED, Volume

from hostler_contract.importing import ImportConfig, ImportReason, ImportReport, ModelSource
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import TRIES
from hostler_runtime.importing.registry import Registry

NAME = "acme/tiny"
TITLE, FILEPATH = "org.opencontainers.image.title", "org.cncf.model.filepath"
USER = ("me", "s3cret")
Serve = Callable[..., RegistryServer]


@pytest.fixture
def registry() -> Iterator[Serve]:
    """Start registries."""
    started: list[RegistryServer] = []

    def start(**options: Any) -> RegistryServer:
        started.append(RegistryServer(**options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def pulled(server: RegistryServer, volume: Volume, reference: str = "v1", **config: Any) -> ImportReport:
    """One pod's try."""
    url = f"{server.host}/{NAME}{'@' if ':' in reference else ':'}{reference}"
    asked = {"repository": NAME, "revision": reference, "url": url, **config.pop("source", {})}
    return volume.take(ModelSource(kind="oci", endpoint=server.url, **asked), **config)


def secret(tmp_path: Path, auths: dict[str, Any]) -> dict[str, Any]:
    """A pull secret as it is mounted."""
    file = tmp_path / "registry.json"
    file.write_text(json.dumps({"auths": auths}))
    return {"secret": "registry", "registry_file": str(file)}


def _image(server: RegistryServer, packed: str = "") -> str:
    below, rest = dict(llama()), {}
    for name in ("model.safetensors", "README.md"):
        rest[name] = below.pop(name)
    return server.image(NAME, "v1", [tar(below), tar(rest)], packed=packed)


PUSHES: dict[str, Callable[[RegistryServer], str]] = {
    "an image": _image,
    "an image of gzip": lambda server: _image(server, "gzip"),
    "an image of zstd": lambda server: _image(server, "zstd"),
    "a directory of an image": lambda server: server.image(
        NAME,
        "v1",
        [tar({"etc/passwd": b"root", **{f"./models/tiny/{name}": content for name, content in llama().items()}})],
    ),
    "an artifact of ORAS, whose files have the media type of archives": lambda server: server.artifact(
        NAME, "v1", llama(), named=TITLE, media_type=IMAGE_LAYER
    ),
    "an artifact of ModelPack": lambda server: server.artifact(
        NAME, "v1", llama(), named=FILEPATH, media_type="application/vnd.cncf.model.weight.v1.raw"
    ),
    "an artifact of KitOps": lambda server: server.push(
        NAME,
        "v1",
        manifest(
            server.blob(b"{}", "application/vnd.kitops.modelkit.config.v1+json"),
            [
                server.blob(tar(llama()), "application/vnd.kitops.modelkit.model.v1.tar"),
                server.blob(b"rows", "application/vnd.kitops.modelkit.dataset.v1.tar"),
            ],
        ),
    ),
    "a directory that ORAS packed": lambda server: server.push(
        NAME,
        "v1",
        manifest(
            server.blob(b"{}", EMPTY),
            [
                server.blob(
                    tar({f"tiny/{name}": content for name, content in llama().items()}),
                    f"{IMAGE_LAYER}+gzip",
                    **{TITLE: "tiny", "io.deis.oras.content.unpack": "true"},
                )
            ],
        ),
    ),
}


@pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)
def test_a_model_arrives_with_its_facts_and_nothing_that_could_run(
    push: Callable[[RegistryServer], str], registry: Serve, volume: Volume
) -> None:
    server = registry()
    digest = push(server)

    report = pulled(server, volume)

    assert report.reason is None, report.message
    assert volume.files == {name: llama()[name] for name in WANTED}
    assert report.revision == digest
    assert report.facts is not None
    assert (report.facts.family, report.facts.parameters) == ("chat", 1000)
    assert sorted(path.name for path in volume.root.iterdir()) == ["m"], "nothing is left of the layers"


def test_a_digest_is_pulled_as_such_and_a_layer_above_takes_files_away(registry: Serve, volume: Volume) -> None:
    server = registry()
    wrong = {"config.json": b"{", "chat/old.json": b"{}", "chat/older.json": b"{}", "extra.json": b"{}"}
    gone = {".wh.extra.json": b"", "chat/.wh..wh..opq": b""}
    digest = server.image(NAME, "v1", [tar(wrong), tar(llama() | gone)])
    server.manifests.pop(f"{NAME}:v1")

    report = pulled(server, volume, digest)

    assert report.reason is None, report.message
    assert set(volume.files) == WANTED


def test_of_an_index_comes_the_manifest_for_this_machine_and_no_attestation(registry: Serve, volume: Volume) -> None:
    server = registry()
    entries = []
    for machine, files in (("unknown", {}), ("amd64", llama()), ("arm64", llama())):
        digest = server.image(NAME, machine, [tar(files)])
        platform = {"os": "unknown" if machine == "unknown" else "linux", "architecture": machine}
        entries.append({"digest": digest, "size": 1, "mediaType": "x", "platform": platform})
    index = server.push(NAME, "v1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    report = pulled(server, volume)

    assert (report.reason, report.revision) == (None, index)


def test_a_layer_that_breaks_off_goes_on_where_it_ended(registry: Serve, volume: Volume) -> None:
    server = registry()
    _image(server)
    layer = next(digest for digest, content in server.blobs.items() if b"safetensors" in content)
    whole = len(server.blobs[layer])
    server.cut_after[layer] = [1500, 700, *[0] * TRIES]

    stopped = pulled(server, volume)

    assert stopped.reason is ImportReason.SOURCE_UNREACHABLE
    assert f"stopped at 2,200 of {whole:,} bytes" in (stopped.message or "")
    assert pulled(server, volume).reason is None
    assert server.offsets[layer][:3] == [0, 1500, 2200]
    assert server.offsets[layer][-1] == 2200, "the next pod goes on, too"


@pytest.mark.parametrize("proof", ["a token", "name and password"])
def test_credentials_go_to_the_registry_and_not_to_where_blobs_are(
    proof: str, registry: Serve, volume: Volume, tmp_path: Path
) -> None:
    server, elsewhere = registry(user=USER, basic=proof != "a token"), registry()
    _image(server)
    elsewhere.blobs, server.elsewhere = server.blobs, elsewhere
    auths = {
        "other.example.org": {"username": "no", "password": "no"},
        f"https://{server.host}/v1/": {"auth": base64.b64encode(b"me:s3cret").decode()},
    }

    report = pulled(server, volume, **secret(tmp_path, auths))

    assert report.reason is None, report.message
    assert server.proofs
    assert elsewhere.requests
    assert elsewhere.proofs == []


def test_the_longest_entry_of_the_secret_that_fits_is_taken(registry: Serve, volume: Volume, tmp_path: Path) -> None:
    server = registry(user=USER)
    _image(server)
    auths = {
        server.host: {"username": "no", "password": "no"},
        f"{server.host}/acme": {"username": "me", "password": "s3cret"},
        f"{server.host}/acme/tin": {"username": "no", "password": "no"},
    }

    assert pulled(server, volume, **secret(tmp_path, auths)).reason is None


def test_a_token_that_is_worth_nothing_any_more_is_renewed(registry: Serve, volume: Volume) -> None:
    server = registry(user=USER)
    server.anonymous = True
    _image(server)
    layer = next(digest for digest, content in server.blobs.items() if b"safetensors" in content)
    server.cut_after[layer] = [1500]
    volume.pause = lambda _: server.expired.add("Bearer token-1")

    assert pulled(server, volume).reason is None
    assert sum(path.startswith("/token") for path in server.requests) == 2


@pytest.mark.parametrize(
    ("push", "want"),
    [
        pytest.param("an image", "mounted", id="an image can be mounted"),
        pytest.param("an image of zstd", "mounted", id="a compressed one, too"),
        pytest.param("an artifact of ModelPack", "pulled", id="an artifact is pulled"),
        pytest.param("a directory that ORAS packed", "pulled", id="one with layers of an image is pulled"),
    ],
)
def test_what_a_tag_means_is_said_without_a_blob(push: str, want: str, registry: Serve, volume: Volume) -> None:
    server = registry()
    digest = PUSHES[push](server)

    report = pulled(server, volume, resolve=True)

    assert (report.image, report.revision) == (f"{server.host}/{NAME}@{digest}", digest)
    assert (report.mountable, report.facts) == (want == "mounted", None)
    assert not any("/blobs/" in path for path in server.requests)


@pytest.mark.parametrize(
    ("below", "path", "want"),
    [
        pytest.param("", "", None, id="at its root"),
        pytest.param("models/tiny/", "", "models/tiny", id="further down"),
        pytest.param("models/tiny/", "models/tiny", "models/tiny", id="where it is said to be"),
    ],
)
def test_a_mounted_image_is_looked_at_where_it_is(
    below: str, path: str, want: str | None, volume: Volume, tmp_path: Path
) -> None:
    for name, content in llama().items():
        file = tmp_path / "mounted" / below / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    source = ModelSource(kind="image", url=f"registry.example.org/{NAME}", path=path)

    report = volume.take(source, mount=str(tmp_path / "mounted"))

    assert report.reason is None, report.message
    assert report.path == want
    assert report.facts is not None
    assert (report.facts.family, report.files) == ("chat", 5)
    assert not (volume.root / "m").exists(), "nothing is copied"


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_a_layer_that_unpacks_to_more_than_the_claim_is_left(packed: str, registry: Serve, volume: Volume) -> None:
    server = registry()
    server.image(NAME, "v1", [tar(llama() | {"big.bin": bytes(5_000_000)})], packed=packed)

    report = pulled(server, volume, volume_bytes=1_000_000)

    assert report.reason is ImportReason.STORAGE_FULL
    assert "unpacks to more than the 1,000,000 bytes that the claim holds" in (report.message or "")


def test_links_out_of_an_image_are_not_followed(registry: Serve, volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(llama()["config.json"])
    server = registry()
    files = llama(**{"config.json": None, "onnx/config.json": None})
    server.image(NAME, "v1", [tar(files, links={"config.json": f"{tmp_path}/config.json"})])

    report = pulled(server, volume)

    assert report.reason is ImportReason.UNSUPPORTED_FORMAT
    assert "has neither config.json nor model_index.json" in (report.message or "")


def test_links_out_of_a_mounted_image_are_not_followed(volume: Volume, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for name, content in llama(**{"onnx/config.json": None}).items():
        (mounted / name).write_bytes(content)
    (tmp_path / "elsewhere.json").write_bytes((mounted / "config.json").read_bytes())
    (mounted / "config.json").unlink()
    (mounted / "config.json").symlink_to(tmp_path / "elsewhere.json")

    report = volume.take(ModelSource(kind="image", url=f"registry.example.org/{NAME}"), mount=str(mounted))

    assert report.reason is ImportReason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param({"schemaVersion": 1, "fsLayers": []}, "is no manifest of an image or artifact", id="an old one"),
        pytest.param(manifest({"mediaType": EMPTY}, []), "has no layers with files of a model", id="no layers"),
        pytest.param(
            manifest({"mediaType": EMPTY}, [{"mediaType": "x", "digest": "sha256:../../x", "size": 1}]),
            "is no manifest of an image or artifact",
            id="a digest that is a path",
        ),
        pytest.param({"mediaType": INDEX, "manifests": []}, "is an index without manifests", id="an empty index"),
    ],
)
def test_what_is_no_model_is_named(document: dict[str, Any], words: str, registry: Serve, volume: Volume) -> None:
    server = registry()
    server.push(NAME, "v1", document)

    report = pulled(server, volume)

    assert report.reason is ImportReason.UNSUPPORTED_FORMAT
    assert words in (report.message or "")


def test_a_manifest_with_another_digest_is_refused(registry: Serve, volume: Volume) -> None:
    server = registry()
    digest = _image(server)
    server.other_bytes[digest] = json.dumps(manifest({"mediaType": EMPTY}, [])).encode()

    report = pulled(server, volume, digest)

    assert report.reason is ImportReason.DIGEST_MISMATCH
    assert digest in (report.message or "")


def test_credentials_are_not_sent_in_the_clear_where_the_registry_is_not(
    registry: Serve, volume: Volume, tmp_path: Path
) -> None:
    """A registry over https that names a place for tokens over http."""
    server = registry(user=USER)
    config = {"name": "tiny", "namespace": "default", "directory": "m", "volume": str(volume.root)}
    source = ModelSource(kind="oci", repository=NAME, revision="v1", endpoint=f"https://{server.host}", url="x")
    asked = ImportConfig(
        source=source, **config, **secret(tmp_path, {server.host: {"username": "me", "password": "x"}})
    )
    found = Registry(asked, {})

    with pytest.raises(ImportFailure, match="where anybody on the way can read them"):
        found._proof(f'Bearer realm="{server.url}/token",service="{server.host}"', what=NAME)

    assert server.proofs == []
