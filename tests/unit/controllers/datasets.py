"""Steps that tests of datasets share: what a Job says of data, and datasets brought to a certain point."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_dataset

from hostler_contract import DatasetReport
from hostler_contract.dataset import LengthBucket, LengthFacts, PackingFacts, RowError

SHA, OTHER_SHA = "b" * 64, "c" * 64


def report(sha256: str = SHA, *, errors: int = 0) -> DatasetReport:
    """What the Job says of sound data, or of data with errors."""
    return DatasetReport(
        rows=1000,
        files=2,
        size_bytes=4096,
        sha256=sha256,
        roles=["text"],
        lengths=LengthFacts(
            unit="tokens", total=900, shortest=1, median=3, longest=9, buckets=[LengthBucket(up_to=16, rows=1000)]
        ),
        packing=PackingFacts(max_length=512, factor=2.3456789, efficiency=0.98, unpacked_efficiency=0.4178),
        errors=[RowError(file="a.jsonl", row=7 + n, message="is not JSON") for n in range(min(errors, 10))],
        error_count=errors,
    )


async def created(bench: Bench, name: str = "books", **spec: Any) -> None:
    """A dataset on a claim, and its Job."""
    bench.cluster.claim("data")
    bench.cluster.put(make_dataset(name, **spec))
    await bench.settle()


async def inspected(bench: Bench, said: DatasetReport | None, *, name: str = "books", generation: int = 1) -> None:
    """The Job's pod ends with these words, and the Job with it."""
    job = f"{name}-inspect-{generation}"
    (pod, *_) = bench.cluster.make_pods(job, node="gpu-1")
    failed = said is None or said.reason is not None
    bench.cluster.end(pod, result=said, code=1 if failed else 0)
    bench.cluster.finish(job, "Failed" if failed else "Complete")
    await bench.settle()
