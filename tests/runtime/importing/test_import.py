"""A model from a hub: fetched once, whole or not at all, and what is said where it cannot be."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.modelhub import ModelHub, Shelf
from runtime.importing.models import LLAMA, document, llama, weights
from runtime.training.troubles import RESET

from hostler_contract.importing import ImportConfig, ImportReason, ImportReport, ModelSource
from hostler_runtime.importing.facts import Known
from hostler_runtime.importing.fetching import TRIES, Fetcher
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.origins import Tools
from hostler_runtime.importing.run import bring

NAME = "acme/tiny"
KNOWN = Known(decoders={"LlamaForCausalLM"}, types={"llama", "bert"})
WANTED = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md"}

Start = Callable[..., ModelHub]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start hubs."""
    started: list[ModelHub] = []

    def hub(shelf: Shelf | None = None, **options: Any) -> ModelHub:
        started.append(ModelHub({NAME: shelf or Shelf(files=llama())}, **options))
        return started[-1]

    yield hub
    for each in started:
        each.close()


class Volume:
    """A claim, and imports onto it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.waits: list[float] = []
        self.meter = Meter(now=0.0)

    def bring(self, hub: ModelHub, *, environ: dict[str, str] | None = None, **config: Any) -> ImportReport:
        """One pod's try."""
        source = ModelSource(kind="hf", endpoint=hub.url, **{"repository": NAME, **config.pop("source", {})})
        asked = ImportConfig(
            name="tiny", namespace="default", source=source, directory="m", volume=str(self.root), **config
        )
        self.meter = Meter(now=0.0)
        tools = Tools(
            environ=environ or {}, meter=self.meter, clock=lambda: 0.0, pause=self.waits.append, known=lambda: KNOWN
        )
        return bring(asked, tools)

    @property
    def files(self) -> dict[str, bytes]:
        """What is published."""
        root = self.root / "m"
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_a_model_arrives_with_its_facts_and_nothing_that_could_run(start: Start, volume: Volume) -> None:
    hub = start()

    report = volume.bring(hub)

    content = llama()
    assert volume.files == {name: content[name] for name in WANTED}
    assert report.reason is None
    assert report.revision == hub.shelves[NAME].commit
    assert (report.files, report.size_bytes) == (5, sum(len(content[name]) for name in WANTED))
    lines = "".join(f"{name} {hashlib.sha256(content[name]).hexdigest()}\n" for name in sorted(WANTED))
    assert report.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert report.facts is not None
    assert report.facts.model_dump() == {
        "family": "chat",
        "task": "text-generation",
        "architecture": "LlamaForCausalLM",
        "license": "Apache-2.0",
        "parameters": 1000,
        "weights_bytes": 4000,
        "context_length": 256,
        "vocabulary_size": 300,
        "kv_bytes_per_token": 2 * 3 * 2 * 16 * 4,
        "chat_template": True,
    }


def test_who_asks_again_gets_the_same_report_without_a_request(start: Start, volume: Volume) -> None:
    hub = start()
    first = volume.bring(hub)
    asked = len(hub.requests)

    assert volume.bring(hub) == first
    assert len(hub.requests) == asked


def test_a_connection_that_breaks_goes_on_where_it_ended(start: Start, volume: Volume) -> None:
    hub = start()
    whole = len(llama()["model.safetensors"])
    hub.cut_after["model.safetensors"] = [1500, 700]

    report = volume.bring(hub)

    assert report.reason is None
    assert volume.files["model.safetensors"] == llama()["model.safetensors"]
    assert hub.sent["model.safetensors"] == whole, "no byte was fetched twice"
    assert volume.meter.progress(now=1.0).bytes_done == report.size_bytes


def test_a_hub_that_stops_in_the_middle_costs_the_pod_and_not_the_bytes(start: Start, volume: Volume) -> None:
    hub = start()
    hub.cut_after["model.safetensors"] = [3000, *[0] * TRIES]

    stopped = volume.bring(hub)

    assert stopped.reason is ImportReason.SOURCE_UNREACHABLE
    assert stopped.reason.passing
    assert stopped.message is not None
    assert stopped.message.startswith("model.safetensors stopped at 3,000 of 4,")
    assert volume.files == {}
    assert volume.bring(hub).reason is None
    assert hub.sent["model.safetensors"] == len(llama()["model.safetensors"])
    assert hub.sent["config.json"] == len(llama()["config.json"]), "what was whole is not fetched again"


def test_a_hub_that_knows_no_ranges_begins_the_file_anew(start: Start, volume: Volume) -> None:
    hub = start()
    hub.ranges = False
    hub.cut_after["model.safetensors"] = [1500]

    report = volume.bring(hub)

    assert volume.files["model.safetensors"] == llama()["model.safetensors"]
    assert volume.meter.progress(now=1.0).bytes_done == report.size_bytes


def test_other_files_at_the_revision_take_the_place_of_those_of_an_earlier_pod(start: Start, volume: Volume) -> None:
    hub = start(Shelf(files=llama(**{"extra.json": b"{}"})))
    hub.cut_after["model.safetensors"] = [100, *[0] * TRIES]
    assert volume.bring(hub).reason is ImportReason.SOURCE_UNREACHABLE
    later = llama(**{"tokenizer.json": b"[]", "model.safetensors": weights(1001)})

    hub.shelves[NAME] = Shelf(files=later)
    report = volume.bring(hub)

    assert report.revision == Shelf(files=later).commit
    assert volume.files == {name: later[name] for name in WANTED}


def test_a_digest_that_differs_is_tried_once_more_and_named(start: Start, volume: Volume) -> None:
    hub = start()
    right = llama()["model.safetensors"]
    hub.other_bytes["model.safetensors"] = right[:-1] + b"!"

    report = volume.bring(hub)

    assert report.reason is ImportReason.DIGEST_MISMATCH
    assert hub.requests.count(f"/{NAME}/resolve/{hub.shelves[NAME].commit}/model.safetensors") == 2
    assert report.message is not None
    assert f" instead of {hashlib.sha256(right).hexdigest()}" in report.message
    assert volume.files == {}


def test_small_files_are_held_against_the_hash_that_git_has_of_them(start: Start, volume: Volume) -> None:
    hub = start()
    hub.other_bytes["tokenizer.json"] = b"[]"

    report = volume.bring(hub)

    assert report.reason is ImportReason.DIGEST_MISMATCH
    assert report.message is not None
    assert report.message.startswith("tokenizer.json arrived twice")


def test_the_token_goes_to_the_hub_and_not_to_where_large_files_are(start: Start, volume: Volume) -> None:
    hub, store = start(Shelf(files=llama(), token="s3cret")), start()
    hub.elsewhere = store

    report = volume.bring(hub, environ={"HF_TOKEN": "s3cret"})

    assert report.reason is None
    assert set(hub.tokens) == {"Bearer s3cret"}
    assert store.requests
    assert store.tokens == []


def test_a_directory_of_a_repository_can_be_the_model(start: Start, volume: Volume) -> None:
    hub = start(Shelf(files={f"small/{name}": content for name, content in llama().items()} | {"README.md": b"all"}))

    assert volume.bring(hub, source={"path": "small"}).reason is None
    assert set(volume.files) == WANTED


def test_shards_come_as_their_index_names_them(start: Start, volume: Volume) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    shards = {name: weights(500) for name in index["weight_map"].values()}
    files = llama(
        **{"model.safetensors": None, "model.safetensors.index.json": document(index)},
        **shards,
        **{"consolidated.safetensors": weights()},
    )
    report = volume.bring(start(Shelf(files=files)))

    assert report.facts is not None
    assert report.facts.parameters == 1000
    assert set(shards) < set(volume.files)
    assert "consolidated.safetensors" not in volume.files


AUTO_MAP = {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModelForCausalLM": "modeling_tiny.Tiny"}


@pytest.mark.parametrize(
    ("shelf", "config", "want", "words"),
    [
        pytest.param(
            Shelf(files=llama(), token="s3cret"),
            {},
            ImportReason.SOURCE_NOT_FOUND,
            "has no repository acme/tiny, or it needs a token: correct spec.artifacts.source.hf.repository, or name a "
            "Secret with a token (key HF_TOKEN) in spec.artifacts.source.hf.secretRef",
            id="a repository that needs a token",
        ),
        pytest.param(
            Shelf(files=llama(), token="s3cret"),
            {"secret": "hub-token"},
            ImportReason.ACCESS_DENIED,
            "or the token of Secret hub-token may not read it",
            id="a token that may not",
        ),
        pytest.param(
            Shelf(files=llama()),
            {"source": {"repository": "acme/tinny"}},
            ImportReason.SOURCE_NOT_FOUND,
            "has no repository acme/tinny",
            id="a repository that does not exist",
        ),
        pytest.param(
            Shelf(files=llama()),
            {"source": {"repository": "tiny"}},
            ImportReason.SOURCE_MOVED,
            "tiny has moved to acme/tiny: set spec.artifacts.source.hf.repository to that",
            id="a repository that was moved",
        ),
        pytest.param(
            Shelf(files=llama()),
            {"source": {"revision": "v9"}},
            ImportReason.SOURCE_NOT_FOUND,
            "acme/tiny has no revision v9",
            id="a revision that does not exist",
        ),
        pytest.param(
            Shelf(files=llama()),
            {"source": {"path": "small"}},
            ImportReason.SOURCE_NOT_FOUND,
            "acme/tiny has no directory small",
            id="a directory that does not exist",
        ),
        pytest.param(
            Shelf(files=llama(), gated="auto", license="other", license_name="tiny-community"),
            {},
            ImportReason.LICENSE_NOT_ACCEPTED,
            "under the licence tiny-community only to those who accept it",
            id="a gated licence that nobody accepted",
        ),
        pytest.param(
            Shelf(files=llama(), license="llama3.1"),
            {"accepted_license": "llama3"},
            ImportReason.LICENSE_NOT_ACCEPTED,
            "the licence of acme/tiny is llama3.1, and spec.acceptedLicense names llama3",
            id="another licence than the accepted one",
        ),
        pytest.param(
            Shelf(files=llama(), gated="manual", license="llama3.1"),
            {"accepted_license": "llama3.1"},
            ImportReason.ACCESS_DENIED,
            "acme/tiny is gated: have an account granted access at",
            id="an accepted licence without an account",
        ),
        pytest.param(
            Shelf(files=llama(**{"model.safetensors": None})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "holds its weights as pytorch_model.bin, a format that can run code when it is loaded",
            id="pickled weights",
        ),
        pytest.param(
            Shelf(files={"README.md": b"", "tiny-q4.gguf": b"GGUF"}),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "holds its weights as GGUF (tiny-q4.gguf)",
            id="GGUF",
        ),
        pytest.param(
            Shelf(files={"adapter_config.json": b"{}", "adapter_model.safetensors": weights()}),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "is an adapter (adapter_config.json) without its base model",
            id="an adapter alone",
        ),
        pytest.param(
            Shelf(files={f"small/{name}": content for name, content in llama().items()}),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "set spec.artifacts.source.hf.path to it",
            id="a model that is further down",
        ),
        pytest.param(
            Shelf(files=llama(**{"config.json": document(LLAMA | {"model_type": "tiny", "auto_map": AUTO_MAP})})),
            {},
            ImportReason.REMOTE_CODE,
            "needs code of the repository (configuration_tiny.py, modeling_tiny.py) for model type tiny",
            id="a configuration with remote code",
        ),
        pytest.param(
            Shelf(files=llama(**{"config.json": document({"architectures": ["T5Model"], "model_type": "t5"})})),
            {},
            ImportReason.UNSUPPORTED_ARCHITECTURE,
            "config.json names T5Model, which no family of this release serves",
            id="a network that nobody serves",
        ),
        pytest.param(
            Shelf(files=llama(**{"tokenizer.json": None})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "there is no tokenizer.json",
            id="no tokenizer",
        ),
        pytest.param(
            Shelf(files=llama(**{"config.json": b"{"})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "config.json is no JSON",
            id="a configuration that is no JSON",
        ),
        pytest.param(
            Shelf(files=llama(**{"model.safetensors": weights()[:-4]})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "model.safetensors has 4,",
            id="weights that are shorter than their header says",
        ),
        pytest.param(
            Shelf(files=llama(**{"model.safetensors": b"version https://git-lfs"})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "model.safetensors is no safetensors file",
            id="weights that are none",
        ),
        pytest.param(
            Shelf(files=llama(), digests=False),
            {},
            ImportReason.DIGEST_MISMATCH,
            "the hub has no digest of README.md",
            id="a hub without digests",
        ),
        pytest.param(
            Shelf(files=llama()),
            {"volume_bytes": 1000},
            ImportReason.STORAGE_FULL,
            "set spec.importer.storage.size to 1Gi",
            id="a claim that is too small",
        ),
        pytest.param(
            Shelf(files=llama(**{"../../etc/x.json": b"{}"})),
            {},
            ImportReason.UNSUPPORTED_FORMAT,
            "whose name leads out of the model's directory",
            id="a file that would lie elsewhere",
        ),
    ],
)
def test_bad_input_is_named_with_the_way_out(
    shelf: Shelf, config: dict[str, Any], want: ImportReason, words: str, start: Start, volume: Volume
) -> None:
    hub = start(shelf, moved={"tiny": NAME})

    report = volume.bring(hub, **config)

    assert (report.reason, words in (report.message or "")) == (want, True), report.message
    assert volume.files == {}
    assert not want.passing


def test_what_can_be_refused_costs_no_weights(start: Start, volume: Volume) -> None:
    hub = start(Shelf(files=llama(**{"config.json": document({"architectures": ["T5Model"]})})))

    assert volume.bring(hub).reason is ImportReason.UNSUPPORTED_ARCHITECTURE
    assert "model.safetensors" not in hub.sent


def test_code_beside_a_model_that_the_library_knows_is_neither_needed_nor_fetched(start: Start, volume: Volume) -> None:
    hub = start(Shelf(files=llama(**{"config.json": document(LLAMA | {"auto_map": AUTO_MAP})})))

    assert volume.bring(hub).reason is None
    assert not any(name.endswith(".py") for name in hub.sent)


def test_a_gated_model_comes_with_an_accepted_licence_and_a_token(start: Start, volume: Volume) -> None:
    hub = start(Shelf(files=llama(), gated="manual", license="llama3.1", token="s3cret"))

    report = volume.bring(hub, environ={"HF_TOKEN": "s3cret"}, accepted_license="llama3.1")

    assert report.reason is None
    assert report.facts is not None
    assert report.facts.license == "llama3.1"


def test_a_hub_in_trouble_is_asked_again(start: Start, volume: Volume) -> None:
    hub = start()
    hub.troubles.plan(503, on="/api/models")
    hub.troubles.plan(RESET, on="config.json")

    assert volume.bring(hub).reason is None
    assert volume.waits == [2.0, 2.0]


def test_a_hub_that_stays_in_trouble_is_no_fault_of_the_model(start: Start, volume: Volume) -> None:
    hub = start()
    hub.troubles.plan(502, on="/api/models", times=TRIES)

    report = volume.bring(hub)

    assert report.reason is ImportReason.SOURCE_UNREACHABLE
    assert report.message == f"{hub.url} answers 502 Bad Gateway"


def test_a_disk_that_fills_up_says_how_much_room_it_takes(
    start: Start, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Fetcher, files: Any) -> dict[str, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Fetcher, "fetch", full)

    report = volume.bring(start())

    assert report.reason is ImportReason.STORAGE_FULL
    assert "the volume was full after 0.00 GiB" in (report.message or "")
