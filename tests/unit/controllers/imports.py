"""Steps that tests of imports share: what a Job says of a model, and imports brought to a certain point."""

from __future__ import annotations

from typing import Any

from bench import Bench
from builders import make_imported_model

from hostler_contract import ImportReport
from hostler_contract.architectures import TransformerSizes
from hostler_contract.importing import FOR_GOOD, ImportedFacts, ImportReason

COMMIT, SHA = "0123456789abcdef" * 2 + "01234567", "d" * 64


def report() -> ImportReport:
    """What the Job says of a model that has come."""
    facts = ImportedFacts(
        family="chat",
        task="text-generation",
        architecture="LlamaForCausalLM",
        license="Apache-2.0",
        parameters=1000,
        weights_bytes=2000,
        context_length=256,
        vocabulary_size=300,
        kv_bytes_per_token=384,
        chat_template=True,
        sizes=TransformerSizes(layers=3, hidden_size=64, heads=4, kv_heads=2, head_size=16),
    )
    return ImportReport(revision=COMMIT, files=5, size_bytes=4096, sha256=SHA, facts=facts)


def job_of(bench: Bench, name: str = "tiny") -> dict[str, Any]:
    """The one Job that imports a model."""
    (job,) = [job for job in bench.cluster.all("Job") if job["metadata"]["labels"].get("hostler.dev/model") == name]
    return job


async def moved_on(bench: Bench, name: str, said: ImportReport) -> None:
    """The Job's pod ends with these words, and the Job with it."""
    job = job_of(bench, name)["metadata"]["name"]
    (pod, *_) = bench.cluster.make_pods(job, node="gpu-1")
    code = 0 if said.reason is None else 1 if said.reason.passing else FOR_GOOD
    bench.cluster.end(pod, result=said, code=code)
    bench.cluster.finish(job, "Complete" if said.reason is None else "Failed")
    await bench.settle()


async def arrived(bench: Bench, name: str = "tiny") -> None:
    """The model has come."""
    await moved_on(bench, name, report())


async def gave_up(bench: Bench, reason: ImportReason, message: str, *, name: str = "tiny") -> None:
    """The model has not come."""
    await moved_on(bench, name, ImportReport(reason=reason, message=message))


async def submitted(bench: Bench, name: str = "tiny", **spec: Any) -> None:
    """A model, and its Job."""
    bench.cluster.put(make_imported_model(name, **spec))
    await bench.settle()


def ready(bench: Bench, name: str = "tiny") -> tuple[str, str, str]:
    """Status, reason and message of the model's condition."""
    return bench.condition("Model", name, "Ready")
