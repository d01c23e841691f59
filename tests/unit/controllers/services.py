"""Steps that tests of services share."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_inference_service

Object = dict[str, Any]

STYLES = [{"name": "bold", "modelRef": {"name": "bold-style"}}, {"name": "thin", "modelRef": {"name": "thin-style"}}]
"""Adapters of a service; the fixture ``painting`` has their models."""


async def submitted(bench: Bench, name: str = "tiny", **spec: Any) -> None:
    """A service, looked at."""
    bench.cluster.put(make_inference_service(name, **spec))
    await bench.settle()


async def serving(bench: Bench, **spec: Any) -> list[Object]:
    """The service ``tiny`` with its replicas ready."""
    await submitted(bench, **spec)
    pods = bench.cluster.roll("tiny", node="ipu-1")
    await bench.settle()
    return pods


def said(bench: Bench, condition: str = "Ready", name: str = "tiny") -> tuple[str, str, str]:
    """What a condition of it says."""
    return bench.condition("InferenceService", name, condition)
