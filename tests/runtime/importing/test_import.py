"""A model from a hub: fetched once, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.conftest import Start
from runtime.importing.modelhub import Shelf
from runtime.importing.models import document, llama, weights
from runtime.importing.volume import NAME, WANTED, Volume
from runtime.training.troubles import RESET

from hostler_contract.importing import ImportReason
from hostler_runtime.importing.fetching import TRIES, Fetcher
from hostler_runtime.importing.run import in_order


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
        "quantization": None,
        "sizes": {
            "layers": 3,
            "hidden_size": 64,
            "heads": 4,
            "kv_heads": 2,
            "head_size": 16,
            "intermediate_size": None,
            "experts": 0,
            "active_experts": 0,
            "expert_layers": 0,
            "gated": True,
            "tied": False,
            "causal": True,
            "sliding_window": None,
            "windowed_layers": 0,
            "learned_positions": 0,
        },
    }


def test_files_are_hashed_in_the_order_in_which_a_disk_is_read() -> None:
    names = ["1_Pooling/config.json", "1_Pooling.json", "1-a/b", "1/b", "config.json"]
    assert [name for name, _ in in_order(dict.fromkeys(names, ""))] == [str(path) for path in sorted(map(Path, names))]


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
