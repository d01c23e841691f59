"""What a start of the operator costs: which modules it imports, and that its image holds their bytecode."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostler.operator.bytecode import STARTS_WITH, compile_loaded, is_current

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    """Modules of a process that is about to run the operator."""
    code = f"import importlib, json, sys\nfor name in {STARTS_WITH}: importlib.import_module(name)\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("package", "at_most", "why"),
    [
        ("kubernetes.client.models", 10, "hundreds of models take seconds, and the client works without them"),
        ("kubernetes.aio.client.models", 10, "the same"),
        ("kubernetes.aio.client.api", 0, "the same"),
        ("kubernetes.dynamic", 0, "the synchronous client is not used"),
        ("kubernetes.config", 0, "the same"),
        ("kubernetes.stream", 0, "nothing is executed in pods"),
        ("kubernetes.aio.stream", 0, "the same"),
        ("requests", 0, "the synchronous client's"),
        ("oauthlib", 0, "the same"),
        ("websocket", 0, "the same"),
        ("jsonschema", 0, "the API server validates"),
        ("cryptography", 0, "TLS is Python's own"),
        ("hostler.cli", 0, "commands for people"),
        ("hostler.api.structural", 0, "schemas are generated beforehand"),
        ("hostler.local", 0, "the local cluster is not the operator's"),
        ("hostler.demo", 0, "the demo neither"),
        ("hostler.exporter", 0, "another process"),
        ("hostler.api.crd", 0, "schemas are generated beforehand"),
        ("hostler_data", 0, "data is read in pods"),
        ("grpc", 0, "the operator speaks HTTP"),
        ("rich", 0, "it prints no tables"),
        ("numpy", 0, "it computes nothing"),
    ],
)
def test_a_start_imports_what_it_needs(imported: frozenset[str], package: str, at_most: int, why: str) -> None:
    found = sorted(name for name in imported if name == package or name.startswith(f"{package}."))
    assert len(found) <= max(at_most, 0), why


def test_a_start_builds_no_validator_of_a_kind_before_there_is_one_to_read() -> None:
    """They are half of what the API's models cost, and most of a nested part's are never used."""
    code = (
        f"import importlib\nfor name in {STARTS_WITH}: importlib.import_module(name)\n"
        "from hostler.api.schema import ApiModel, StatusModel\n"
        "def parts(model): return {model}.union(*map(parts, model.__subclasses__()))\n"
        "models = parts(ApiModel) | parts(StatusModel)\n"
        "print(len(models), sum(model.__pydantic_complete__ for model in models))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    models, built = map(int, done.stdout.split())
    assert built < models / 4, "none but those that are defaults of others"


def test_the_image_compiles_what_a_start_imports() -> None:
    """Last of what is done as root: after it nobody may write."""
    steps = (ROOT / "images" / "operator" / "Containerfile").read_text(encoding="utf-8").splitlines()
    compiled = steps.index("RUN python -m hostler.operator.bytecode")
    copied = [number for number, step in enumerate(steps) if step.startswith("COPY ")]
    assert max(copied) < compiled < steps.index("USER 65532:65532")


def test_bytecode_is_written_where_there_is_none_and_outlives_new_time_stamps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "probe_of_bytecode.py"
    source.write_text("ANSWER = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    module = importlib.import_module("probe_of_bytecode")
    cached = Path(module.__cached__)
    assert not is_current(cached, source)
    assert compile_loaded([module, sys]) == [source]
    os.utime(source, (0, 0))
    assert is_current(cached, source)
    assert compile_loaded([module]) == [], "a second time there is nothing to do"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\0" * 16, "another interpreter wrote it", id="another interpreter"),
        pytest.param(importlib.util.MAGIC_NUMBER + b"\0" * 12, "it goes by the time stamp", id="by time stamp"),
    ],
)
def test_bytecode_that_would_not_last_is_not_current(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.py").write_text("")
    (tmp_path / "x.pyc").write_bytes(content)
    assert not is_current(tmp_path / "x.pyc", tmp_path / "x.py"), why
