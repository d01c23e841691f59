"""A cluster with two pools and some text, and the controllers on it."""

from __future__ import annotations

from builders import make_pool
from fakes import Bench

from hostler.controllers.all import build_controllers
from hostler.controllers.settings import Settings

GPU, IPU = "nvidia.com/gpu", "c600.graphcore.ai/ipu"
SETTINGS = Settings(train_image="registry/train:1", serve_image="registry/serve:1")


def make_bench() -> Bench:
    """One GPU node with four simulated A100, one IPU node with four simulated C600, a ConfigMap with text."""
    bench = Bench(build=build_controllers, settings=SETTINGS)
    simulated = {"hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-1", labels={"hostler.dev/pool": "gpu", **simulated}, devices={GPU: 4})
    bench.cluster.node("ipu-1", labels={"hostler.dev/pool": "ipu", **simulated}, devices={IPU: 4})
    bench.cluster.put(make_pool("gpu"))
    bench.cluster.put(make_pool("ipu", acceleratorType="graphcore-c600"))
    bench.cluster.text()
    return bench
