"""What can be wrong with a source is said alike of all kinds of sources, naming the thing and the way out."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.hosts import HOSTS, RIGHT, WRONG, Host, Web
from runtime.importing.models import LLAMA, document, llama, weights
from runtime.importing.volume import WANTED, Volume

from hostler_contract.importing import ImportReason
from hostler_runtime.importing import layers, web
from hostler_runtime.importing.fetching import TRIES, Fetcher

Start = Callable[..., Host]
KEYED = [name for name, kind in HOSTS.items() if kind is not Web]
"""Those that credentials can be named for."""
CODE = {"auto_map": {"AutoModelForCausalLM": "modeling_tiny.TinyForCausalLM"}}


@pytest.fixture
def start() -> Iterator[Start]:
    """Start hosts by their kind."""
    started: list[Host] = []

    def host(kind: str, files: dict[str, bytes] | None = None, **options: Any) -> Host:
        started.append(HOSTS[kind](llama() if files is None else files, **options))
        return started[-1]

    yield host
    for each in started:
        each.close()


@pytest.mark.parametrize("kind", HOSTS)
def test_a_source_that_is_as_it_should_be(kind: str, start: Start, volume: Volume) -> None:
    """The control of all below."""
    report = start(kind).bring(volume)

    assert report.reason is None, report.message
    assert volume.files == {name: llama()[name] for name in WANTED}


@pytest.mark.parametrize("kind", HOSTS)
def test_what_does_not_exist_is_named_with_the_field_to_correct(kind: str, start: Start, volume: Volume) -> None:
    host = start(kind)
    source = host.missing()

    report = host.bring(volume, source)

    assert report.reason is ImportReason.SOURCE_NOT_FOUND
    named = source.url if source.kind == "http" else source.revision if source.kind == "oci" else source.repository
    assert named
    assert named in (report.message or "")
    assert f"spec.artifacts.source.{source.kind}" in (report.message or "")
    assert not ImportReason.SOURCE_NOT_FOUND.passing


@pytest.mark.parametrize(
    ("which", "want", "words"),
    [
        pytest.param(RIGHT, None, "", id="the right ones"),
        pytest.param(WRONG, ImportReason.ACCESS_DENIED, "of Secret keys", id="others"),
        pytest.param("", None, "secretRef", id="none"),
    ],
)
@pytest.mark.parametrize("kind", KEYED)
def test_credentials_are_asked_for_by_the_field_and_named_by_their_secret(
    kind: str, which: str, want: ImportReason | None, words: str, start: Start, volume: Volume, tmp_path: Path
) -> None:
    host = start(kind, locked=True)

    report = host.bring(volume, **(host.proof(which, tmp_path) if which else {}))

    if which == "":
        # Hubs and registries do not tell what is hidden from what is not there.
        assert report.reason in (ImportReason.SOURCE_NOT_FOUND, ImportReason.ACCESS_DENIED)
    else:
        assert report.reason is want, report.message
    assert words in (report.message or "")
    assert host.thing in (report.message or host.thing)


@pytest.mark.parametrize("kind", HOSTS)
def test_a_host_that_stops_in_the_middle_costs_no_byte(kind: str, start: Start, volume: Volume) -> None:
    host = start(kind)
    host.cut(2000, *[0] * TRIES)

    stopped = host.bring(volume)

    assert stopped.reason is ImportReason.SOURCE_UNREACHABLE
    assert stopped.reason.passing, "the Job's next pod goes on"
    assert "stopped at 2,000 of" in (stopped.message or "")
    assert "What has arrived is kept" in (stopped.message or "")
    assert volume.files == {}
    assert host.bring(volume).reason is None


@pytest.mark.parametrize("kind", HOSTS)
def test_a_host_in_trouble_is_no_fault_of_the_model(kind: str, start: Start, volume: Volume) -> None:
    host = start(kind)
    host.troubles.plan(503, times=TRIES)

    report = host.bring(volume)

    assert report.reason is ImportReason.SOURCE_UNREACHABLE
    assert "503" in (report.message or "")
    assert host.bring(volume).reason is None


@pytest.mark.parametrize("kind", HOSTS)
def test_other_bytes_than_the_digest_says(kind: str, start: Start, volume: Volume) -> None:
    host = start(kind)
    host.spoil()

    report = host.bring(volume)

    assert report.reason is ImportReason.DIGEST_MISMATCH
    assert "arrived twice with digest" in (report.message or "")
    assert volume.files == {}


@pytest.mark.parametrize("kind", HOSTS)
def test_a_claim_that_is_too_small_is_found_before_the_weights_come(kind: str, start: Start, volume: Volume) -> None:
    report = start(kind).bring(volume, volume_bytes=2000)

    assert report.reason is ImportReason.STORAGE_FULL
    assert "set spec.importer.storage.size to 1Gi" in (report.message or "")


@pytest.mark.parametrize("kind", HOSTS)
def test_a_disk_that_fills_although_there_seemed_to_be_room(
    kind: str, start: Start, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    # Where the files themselves are written: by a download, or out of an archive.
    monkeypatch.setattr(
        *{"http": (web.Archive, "unpack"), "an image": (layers, "_copied")}.get(kind, (Fetcher, "_rest")), full
    )

    report = start(kind).bring(volume)

    assert report.reason is ImportReason.STORAGE_FULL
    assert "set spec.importer.storage.size" in (report.message or "")


@pytest.mark.parametrize(
    ("changes", "want", "words"),
    [
        pytest.param(
            {"model.safetensors": None}, ImportReason.UNSUPPORTED_FORMAT, "a format that can run code", id="pickles"
        ),
        pytest.param(
            {"model.safetensors": None, "pytorch_model.bin": None, "tiny.gguf": b"GGUF"},
            ImportReason.UNSUPPORTED_FORMAT,
            "holds its weights as GGUF (tiny.gguf)",
            id="GGUF",
        ),
        pytest.param(
            {"config.json": document({**LLAMA, "model_type": "tiny", **CODE})},
            ImportReason.REMOTE_CODE,
            "modeling_tiny.py",
            id="remote code",
        ),
        pytest.param(
            {"config.json": document({"architectures": ["T5Model"], "model_type": "t5"})},
            ImportReason.UNSUPPORTED_ARCHITECTURE,
            "names T5Model",
            id="another network",
        ),
        pytest.param({"tokenizer.json": None}, ImportReason.UNSUPPORTED_FORMAT, "no tokenizer.json", id="no tokenizer"),
        pytest.param(
            {"model.safetensors": weights()[:-4]},
            ImportReason.UNSUPPORTED_FORMAT,
            "its header speaks of",
            id="half of the weights",
        ),
        pytest.param(
            {"model.safetensors": b"version https://git-lfs"},
            ImportReason.UNSUPPORTED_FORMAT,
            "is no safetensors file",
            id="weights that are none",
        ),
        pytest.param({"config.json": b"{"}, ImportReason.UNSUPPORTED_FORMAT, "config.json is no JSON", id="no JSON"),
        pytest.param(
            {"../../etc/x.json": b"{}"}, ImportReason.UNSUPPORTED_FORMAT, "leads out of the model's", id="a way out"
        ),
    ],
)
@pytest.mark.parametrize("kind", HOSTS)
def test_layouts_that_are_refused(
    kind: str, changes: dict[str, bytes | None], want: ImportReason, words: str, start: Start, volume: Volume
) -> None:
    report = start(kind, llama(**changes)).bring(volume)

    assert (report.reason, words in (report.message or "")) == (want, True), report.message
    assert volume.files == {}
    assert list(volume.root.parent.rglob("x.json")) == []
    assert not want.passing


@pytest.mark.parametrize(
    ("kind", "field"), [("hf", "hf.path"), ("s3", "s3.prefix to models/tiny/small"), ("an artifact", "oci.path")]
)
def test_a_model_that_lies_too_deep_is_named_by_the_field(kind: str, field: str, start: Start, volume: Volume) -> None:
    below = {
        f"a/b/c/d/e/small/{name}" if kind == "an artifact" else f"small/{name}": body for name, body in llama().items()
    }

    report = start(kind, below).bring(volume)

    assert report.reason is ImportReason.UNSUPPORTED_FORMAT
    assert f"spec.artifacts.source.{field}" in (report.message or "")
