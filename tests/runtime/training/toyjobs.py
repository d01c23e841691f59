"""Jobs of the toy family, and runs of them in this process and in several."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import Any

from patience import PATIENCE
from ports import free_port
from runtime.forked import Forked
from runtime.training import toyfamily
from runtime.training.harness import ROOT, make_job
from safetensors.torch import load_file

from hostler_contract import JobConfig, Result
from hostler_runtime.train import leave
from hostler_runtime.training import run as running
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard

STEPS = 12
"""Four of the first stage, eight of the second."""


def toy_job(workspace: Path, **changes: Any) -> JobConfig:
    """Twelve steps of eight rows; ``changes`` name fields by ``part__field``."""
    data = workspace.parent / "toy-data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "rows.txt").write_text("one\ntwo\n")
    return make_job(
        workspace,
        data=data,
        **{
            "family": "toy",
            "model": {},
            "flopsPerUnit": None,
            "hyperparameters__steps": STEPS,
            "hyperparameters__batchSize": 8,
            "hyperparameters__learningRate": 1e-2,
            **changes,
        },
    )


def weights(job: JobConfig) -> dict[str, Any]:
    """The published model's tensors."""
    return load_file(Path(job.workspace) / "model" / "model.safetensors")


def run_in_processes(
    job: JobConfig, *, count: int, timeout: float = PATIENCE, module: str = "runtime.training.toyjobs"
) -> Result:
    """Run the job in several processes on this machine, joined by torchrun's variables: what the first one says."""
    path = Path(job.workspace).parent / "job.json"
    path.write_text(job.to_json())
    port = free_port()
    logs = [path.with_name(f"log-{rank}") for rank in range(count)]
    processes = []
    for rank, log in enumerate(logs):
        environ = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}:{ROOT / 'tests'}",
            "OMP_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
        }
        with log.open("wb") as stream:
            processes.append(Forked(module, str(path), env=environ, stdout=stream))
    running = list(processes)
    try:
        # The others of one that failed wait for it for minutes.
        while running and not any(process.returncode for process in processes):
            ended, _, _ = select.select(running, [], [], timeout)
            assert ended, f"nothing happened for {timeout} s"
            running = [process for process in running if process not in ended or process.poll() is None]
    finally:
        for process in running:
            process.kill()
    assert not any(process.returncode for process in processes), "\n".join(log.read_text() for log in logs)
    return Result.from_json(path.with_name("result.json").read_bytes())


def main(path: str) -> None:
    """One of the processes."""
    job = JobConfig.from_json(Path(path).read_bytes())
    if job.family == "toy":
        running.training_half = lambda family: toyfamily
    with joined() as processes:
        board = ProgressBoard(job, world_size=processes.world_size)
        result = running.run(job, running.Surroundings(processes, board, lambda: False, Path(job.workspace)))
    if processes.first:
        Path(path).with_name("result.json").write_text(result.to_json())


if __name__ == "__main__":
    main(sys.argv[1])
    leave(0)
