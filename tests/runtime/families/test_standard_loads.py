"""Every small standard load, trained for real, becomes a benchmark: its data, units and spec are what they say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from bench import Bench, make_bench
from runtime.families.jobs import run_job
from world import completed

from hostler.cli.benchplan import Planned
from hostler.planning.benchmarks.loads import SMALL, UNPACKED, Load, loads
from hostler_contract import JobConfig, Result

HELD_SECONDS = 900
"""By the cluster's clock, which nobody waits for."""


def trained(load: Load, told: JobConfig, root: Path) -> Result:
    """What the trainer says, on this machine's paths."""
    data = root / "data"
    data.mkdir()
    (data / load.data.key).write_bytes(load.data.content())
    document = json.loads(told.to_json())
    document["workspace"] = str(root / "workspace")
    document["dataset"]["source"] = {"kind": "path", "location": str(data / load.data.key)}
    return run_job(JobConfig.model_validate(document))


async def benchmarked(bench: Bench, load: Load, root: Path) -> Result:
    """From the job that the command makes to its end."""
    planned = Planned(load=load, pool="gpu", per_pod=1)
    bench.cluster.put(planned.config_map(namespace="default"))
    bench.cluster.put(planned.job(namespace="default", owner=None, storage_class=None))
    await bench.settle()
    for pod in bench.cluster.make_pods(f"{planned.name}-0", node="gpu-1"):
        bench.cluster.run(pod)
    await bench.settle()
    bench.cluster.clock.advance(HELD_SECONDS)
    result = trained(load, bench.job_config(f"{planned.name}-0"), root)
    await completed(bench, planned.name, result=result)
    return result


RUN = [load.name for load in loads().values() if load.size == SMALL and load.variant != UNPACKED]


@pytest.mark.parametrize("name", [*RUN, "bert-small-unpacked"])
def test_a_small_load_becomes_a_benchmark(name: str, tmp_path: Path) -> None:
    bench, load = make_bench(), loads()[name]
    result = asyncio.run(benchmarked(bench, load, tmp_path))
    assert result.pace is not None
    assert result.dataset is not None
    assert result.dataset.sha256 == load.data.sha256
    (found,) = bench.status("AcceleratorPool", "gpu")["benchmarks"]
    assert found["load"] == name
    assert float(found["unitsPerStep"]) == pytest.approx(result.pace.units / result.pace.steps, rel=1e-3)
    assert result.pace.steps == load.body["training"]["steps"]
    # Sequences of the data's own lengths, neither cut nor mostly padding.
    assert 0.5 * load.most_units_per_step() <= float(found["unitsPerStep"]) <= load.most_units_per_step()
