"""The importer's container as a plain process, and what it brings read by the server."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from patience import PATIENCE
from runtime.importing.modelhub import ModelHub, Shelf
from runtime.importing.models import llama, weights
from runtime.serving.tiny_model import make_llama, make_tokenizer, save

from hostler_contract.importing import FOR_GOOD, ImportConfig, ImportProgress, ImportReason, ImportReport, ModelSource
from hostler_runtime.importing.__main__ import known
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.window import ProgressWindow
from hostler_runtime.text.artifacts import load_artifacts

NAME = "acme/tiny"


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    found = ModelHub({NAME: Shelf(files=llama())})
    yield found
    found.close()


def asked(tmp_path: Path, endpoint: str) -> None:
    """Write what the container is asked to do."""
    source = ModelSource(kind="hf", repository=NAME, endpoint=endpoint)
    volume = str(tmp_path / "models")
    config = ImportConfig(name="tiny", namespace="default", source=source, directory="m", volume=volume)
    (tmp_path / "import.json").write_text(config.to_json())


def ran(tmp_path: Path, endpoint: str, **environ: str) -> tuple[int, ImportReport]:
    """Exit status and last words of the container."""
    asked(tmp_path, endpoint)
    (tmp_path / "models").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "hostler_runtime.importing"],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOSTLER_IMPORT_CONFIG": str(tmp_path / "import.json"),
            "HOSTLER_IMPORT_PORT": "0",
            "HOSTLER_TERMINATION_LOG": str(tmp_path / "last-words"),
            **environ,
        },
        check=False,
    )
    return done.returncode, ImportReport.from_json((tmp_path / "last-words").read_bytes())


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a saved model."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_an_imported_decoder_is_what_the_server_loads(hub: ModelHub, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    network = make_llama(len(tokenizer))
    network.save_pretrained(tmp_path / "saved", max_shard_size="100KB")
    tokenizer.save_pretrained(tmp_path / "saved")
    hub.shelves[NAME] = Shelf(files=contents(tmp_path / "saved"))

    code, report = ran(tmp_path, hub.url)

    assert (code, report.reason) == (0, None)
    assert report.facts is not None
    assert report.facts.family == "chat"
    assert report.facts.parameters == sum(each.numel() for each in network.parameters())
    config = network.config
    assert report.facts.kv_bytes_per_token == 2 * config.num_hidden_layers * 2 * (config.hidden_size // 4) * 4
    loaded, _ = load_artifacts(tmp_path / "models" / "m")
    given = torch.arange(12).reshape(1, -1)
    torch.testing.assert_close(loaded(given).logits, network.eval()(given).logits)


def test_gpt2_with_shared_weights_is_counted_as_stored(hub: ModelHub, tmp_path: Path) -> None:
    hub.shelves[NAME] = Shelf(files=contents(save(tmp_path / "saved")))

    code, report = ran(tmp_path, hub.url)

    assert code == 0
    assert report.facts is not None
    network, _ = load_artifacts(tmp_path / "models" / "m")
    assert report.facts.parameters == sum(each.numel() for each in network.parameters())
    assert report.facts.context_length == network.config.n_positions


def test_what_another_try_does_not_help_has_a_status_of_its_own(hub: ModelHub, tmp_path: Path) -> None:
    hub.shelves.clear()

    code, report = ran(tmp_path, hub.url)

    assert (code, report.reason) == (FOR_GOOD, ImportReason.SOURCE_NOT_FOUND)


def test_a_proxy_is_asked_where_one_is_named(hub: ModelHub, tmp_path: Path) -> None:
    code, report = ran(tmp_path, "http://hub.invalid", HTTP_PROXY=hub.url)

    assert (code, report.reason) == (0, None)
    assert any(path.startswith("/api/models/") for path in hub.requests)


def test_a_host_that_nobody_knows_is_named_with_the_way_out(tmp_path: Path) -> None:
    code, report = ran(tmp_path, "http://hub.invalid")

    assert (code, report.reason) == (1, ImportReason.SOURCE_UNREACHABLE)
    assert (report.message or "").startswith("there is no host behind http://hub.invalid")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody signed, and its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = tmp_path / "hub.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hub -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *request.split(), "-keyout", str(tmp_path / "hub.key"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def test_a_private_authority_is_trusted_where_its_bundle_is_named(certificate: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    hub = ModelHub({NAME: Shelf(files=llama())}, tls=context)
    try:
        code, report = ran(tmp_path, hub.url)
        assert (code, report.reason) == (1, ImportReason.SOURCE_UNREACHABLE)
        assert "imports.caBundle" in (report.message or "")

        code, report = ran(tmp_path, hub.url, HOSTLER_CA_BUNDLE=str(certificate))
        assert (code, report.reason) == (0, None)
    finally:
        hub.close()


def test_a_process_that_was_killed_leaves_its_bytes_to_the_next(hub: ModelHub, tmp_path: Path) -> None:
    big = weights(2_000_000)
    hub.shelves[NAME] = Shelf(files=llama(**{"model.safetensors": big}))
    hub.stall_after["model.safetensors"] = 3_000_000
    environ = {"PYTHONPATH": os.pathsep.join(sys.path), "HOSTLER_IMPORT_CONFIG": str(tmp_path / "import.json")}
    asked(tmp_path, hub.url)
    process = subprocess.Popen(
        [sys.executable, "-m", "hostler_runtime.importing"],
        env={**os.environ, **environ, "HOSTLER_IMPORT_PORT": "0", "HOSTLER_TERMINATION_LOG": os.devnull},
    )
    partial = tmp_path / "models" / ".m" / "model.safetensors.part"
    deadline = time.monotonic() + PATIENCE
    while not (partial.exists() and partial.stat().st_size >= 2_000_000):
        assert time.monotonic() < deadline, "the weights have begun to come"
        time.sleep(0.05)
    process.kill()
    process.wait()
    kept = partial.stat().st_size

    code, report = ran(tmp_path, hub.url)

    assert (code, report.reason) == (0, None)
    assert (tmp_path / "models" / "m" / "model.safetensors").read_bytes() == big
    assert hub.offsets["model.safetensors"] == [0, kept]


def test_progress_is_there_to_be_read() -> None:
    meter = Meter(now=0.0)
    meter.expect(100)
    meter.took(40, now=1.0)
    window = ProgressWindow(lambda: meter.progress(now=2.0), port=0, host="127.0.0.1")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{window.port}/progress", timeout=10) as answer:
            found = ImportProgress.from_json(answer.read())
    finally:
        window.close()

    assert (found.bytes_done, found.total_bytes, found.bytes_per_second, found.eta_seconds) == (40, 100, 20.0, 3.0)


def test_the_libraries_know_the_models_that_people_ask_for() -> None:
    found = known()

    assert {"LlamaForCausalLM", "GPT2LMHeadModel", "Qwen3ForCausalLM", "Starcoder2ForCausalLM"} <= set(found.decoders)
    assert {"llama", "bert", "whisper", "phi3"} <= set(found.types)
