"""How long preparing text takes: by size, and by the number of processes. Run it with ``make bench-preparation``.

The text is made (words drawn by Zipf's law, documents of mixed lengths), so that anybody can repeat it. Each figure is
one run of ``python -m hostler_runtime.prepare`` as a container would run it, on a volume of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hostler_contract import JobConfig

_MIB = 1 << 20
_WORDS = 50_000


def main() -> int:
    """Measure, and print a table of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}\n")
    print("| text, MiB | processes | seconds | CPU seconds | on the volume, MiB |\n|---|---|---|---|---|")
    for size in arguments.mib:
        for processes in arguments.processes:
            with tempfile.TemporaryDirectory() as scratch:
                seconds, busy, stored = measured(Path(scratch), mib=size, processes=processes)
            print(f"| {size} | {processes} | {seconds:.1f} | {busy:.1f} | {stored / _MIB:.0f} |", flush=True)
    return 0


def measured(root: Path, *, mib: int, processes: int) -> tuple[float, float, int]:
    """Seconds of one run, those of all processors together, and bytes of what it left."""
    data = root / "data.jsonl"
    with data.open("w", encoding="utf-8") as stream:
        written = 0
        for text in documents():
            written += stream.write(json.dumps({"text": text}) + "\n")
            if written >= mib * _MIB:
                break
    config = root / "job.json"
    config.write_text(job(data, root / "workspace").to_json())
    environ = {
        **os.environ,
        "HOSTLER_JOB_CONFIG": str(config),
        "HOSTLER_VOLUME_ROOT": str(root / "workspace"),
        "HOSTLER_TERMINATION_LOG": str(root / "message"),
        "HOSTLER_PORT": "0",
        "TRANSFORMERS_VERBOSITY": "error",
        "OMP_NUM_THREADS": str(processes),
        "RAYON_NUM_THREADS": str(processes),
    }
    (root / "workspace").mkdir()
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "hostler_runtime.prepare"], env=environ, check=True, stdout=subprocess.DEVNULL
    )
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy, int(json.loads((root / "message").read_text())["sizeBytes"])


def documents() -> Iterator[str]:
    """Texts of mixed lengths, the same in each run."""
    chance = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = np.array(["".join(chance.choice(letters, size=size)) for size in chance.integers(1, 12, size=_WORDS)])
    while True:
        ranks = np.minimum(chance.zipf(1.3, size=int(chance.lognormal(5.5, 1.0)) + 5), _WORDS) - 1
        yield " ".join(words[ranks].tolist())


def job(data: Path, workspace: Path) -> JobConfig:
    """A decoder of 1,024 tokens with a vocabulary of 16,000."""
    return JobConfig.model_validate(
        {
            "name": "bench",
            "namespace": "bench",
            "attempt": 0,
            "family": "chat",
            "modelName": "bench",
            "model": {
                "transformer": {
                    "architecture": "llama", "layers": 2, "hiddenSize": 64, "heads": 2, "contextLength": 1024,
                    "vocabularySize": 16000,
                },
            },
            "dataset": {"source": {"kind": "path", "location": str(data)}, "format": "jsonl"},
            "hyperparameters": {"steps": 1, "batchSize": 1, "learningRate": 1e-3},
            "checkpoint": {"everySteps": 1},
            "topology": {"pods": 1, "processesPerPod": 1},
            "workspace": str(workspace),
        }
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
