"""What cannot be imported is named with the way out, before weights are fetched."""

from __future__ import annotations

from typing import Any

import pytest
from runtime.importing.conftest import Start
from runtime.importing.modelhub import Shelf
from runtime.importing.models import LLAMA, document, llama, weights
from runtime.importing.volume import NAME, Volume

from hostler_contract.importing import ImportReason

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
            "set spec.artifacts.source.hf.path to small",
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
