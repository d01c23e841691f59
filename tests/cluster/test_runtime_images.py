"""The runtime images: small, almost one, and made for a container without rights, network or writable root."""

from __future__ import annotations

from typing import Any

import pytest
from clusters import provider

from hostler.local.images import build
from hostler.local.layout import Layout, exported

pytestmark = pytest.mark.skipif(provider() != "native", reason="kind's images are docker's, which keeps no OCI layout")

MEGABYTE = 1_000_000
LARGEST_IMAGE = 370 * MEGABYTE
"""Measured: 343 MB compressed, with the libraries of all families; a CUDA library that slips in is at least 100."""
LARGEST_CODE_LAYER = 2 * MEGABYTE


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    """Both images as the source tree now stands."""
    return build(["runtime-train", "runtime-serve"])


@pytest.fixture(scope="module")
def layout(references: dict[str, str]) -> Layout:
    """Where they were exported to."""
    return exported()


def sizes(layout: Layout, reference: str) -> list[int]:
    """Compressed sizes of the layers, the lowest first."""
    return [layer["size"] for layer in layout.manifest(reference)["layers"]]


@pytest.mark.parametrize("name", ["runtime-train", "runtime-serve"])
def test_the_image_is_small(name: str, references: dict[str, str], layout: Layout) -> None:
    assert sum(sizes(layout, references[name])) < LARGEST_IMAGE


def test_both_images_share_all_but_their_code(references: dict[str, str], layout: Layout) -> None:
    train, serve = (
        [layer["digest"] for layer in layout.manifest(references[name])["layers"]]
        for name in ("runtime-train", "runtime-serve")
    )

    assert train[:-1] == serve[:-1]
    assert max(sizes(layout, references[name])[-1] for name in references) < LARGEST_CODE_LAYER


@pytest.mark.parametrize(
    ("name", "want_module"),
    [("runtime-train", "hostler_runtime.launch"), ("runtime-serve", "hostler_runtime.serve")],
)
def test_the_image_runs_its_module_as_nobody(
    name: str, want_module: str, references: dict[str, str], layout: Layout
) -> None:
    config: dict[str, Any] = layout.configuration(references[name])["config"]
    environ = dict(entry.split("=", 1) for entry in config["Env"])

    assert config["Entrypoint"] == ["python", "-m", want_module]
    assert config["User"] == "65532:65532"
    assert environ["HF_HUB_OFFLINE"] == "1"
    assert {environ[name] for name in ("HOME", "HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")} == {
        "/tmp", "/tmp/huggingface", "/tmp/triton", "/tmp/inductor"
    }  # fmt: skip
