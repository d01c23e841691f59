"""The committed gRPC modules are what the proto files compile to."""

from pathlib import Path

import pytest

from hostler.kubelet.generate import PACKAGE, generate, generated_names


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    generate(folder)
    return folder


@pytest.mark.parametrize("name", generated_names())
def test_committed_module_matches_its_proto_file(fresh: Path, name: str) -> None:
    """`python -m hostler.kubelet.generate` leaves nothing to commit."""
    assert (PACKAGE / name).read_text(encoding="utf-8") == (fresh / name).read_text(encoding="utf-8")
