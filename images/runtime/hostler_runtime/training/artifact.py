"""The finished model: written beside its name, then renamed, so that nobody ever serves half of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hostler_contract import ArtifactFacts, JobConfig, Objective
from hostler_contract.result import ADAPTER_DIRECTORY, Comparison, DatasetFacts
from hostler_data.files import sha256_of
from hostler_runtime.protocols.training import ModelFacts
from hostler_runtime.training.files import fresh_directory, publish_directory

MODEL_DIRECTORY = "model"
SAMPLES_DIRECTORY = "samples"


def staging(workspace: Path) -> Path:
    """An empty directory to write a model into before it is published."""
    return fresh_directory(workspace / f".{MODEL_DIRECTORY}")


def publish_model(written: Path, facts: ModelFacts, *, workspace: Path, volume: Path) -> ArtifactFacts:
    """Give a completely written model its name; ``volume`` is the root that artifact paths are relative to."""
    files = sorted(path for path in written.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    digest = content_hash(written, files)
    target = workspace / MODEL_DIRECTORY
    publish_directory(written, target)
    return ArtifactFacts(
        path=(target.relative_to(volume) if target.is_relative_to(volume) else Path(MODEL_DIRECTORY)).as_posix(),
        size_bytes=size,
        sha256=digest,
        parameters=facts.parameters,
        context_length=facts.context_length,
        vocabulary_size=facts.vocabulary_size,
        kv_bytes_per_token=facts.kv_bytes_per_token,
    )


def content_hash(root: Path, files: list[Path]) -> str:
    """Hash over sorted file names and file hashes."""
    lines = (f"{path.relative_to(root).as_posix()} {sha256_of(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def weights_bytes(directory: Path) -> int:
    """Bytes of the weights below a directory, as stored. An adapter that lies apart is merged into them already."""
    files = (path for path in directory.rglob("*.safetensors"))
    return sum(path.stat().st_size for path in files if path.relative_to(directory).parts[0] != ADAPTER_DIRECTORY)


def model_card(
    job: JobConfig,
    *,
    header: Mapping[str, Any],
    model: ModelFacts,
    dataset: DatasetFacts,
    metrics: Mapping[str, float],
    comparison: Comparison | None = None,
    notes: Sequence[str] = (),
    samples: Sequence[str] = (),
) -> str:
    """README.md: a YAML header as model hubs read it, then what was done, from facts only."""
    sections = [
        _header(job, header=header, metrics=metrics),
        f"# {job.model_name}",
        _opening(job, model),
        _table("figure", "value", {name.replace("_", " "): f"{value:.4g}" for name, value in sorted(metrics.items())}),
        _table("training", "", _training(job, dataset)),
    ]
    if notes:
        lines = "\n".join(f"- {note}" for note in notes)
        sections.append(f"## Notes\n\nWhat differs from what was asked:\n\n{lines}")
    if comparison is not None:
        sections.append(_comparison(comparison))
    if samples:
        lines = "\n".join(f"- [{name}]({SAMPLES_DIRECTORY}/{name})" for name in samples)
        sections.append(f"## Samples\n\nMade by this model at the end of training, none left out:\n\n{lines}")
    return "\n\n".join(sections) + "\n"


def _header(job: JobConfig, *, header: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    results = [{"type": name, "value": float(f"{value:.6g}")} for name, value in sorted(metrics.items())]
    task = {"type": header.get("pipeline_tag", job.family)}
    facts = {
        "license": job.license.lower(),
        **header,
        "tags": ["hostler", job.family, job.objective.kind.value],
        "model-index": [
            {
                "name": job.model_name,
                "results": [{"task": task, "dataset": {"name": job.name, "type": "validation"}, "metrics": results}],
            }
        ],
    }
    # JSON values are YAML values, and quoting is then never in doubt.
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in facts.items())
    return f"---\n{lines}\n---"


_ORIGIN = {
    Objective.PRETRAIN: "trained from scratch",
    Objective.FINETUNE: "fine-tuned from a base model",
    Objective.PREFERENCE: "tuned from a base model on preferences",
    Objective.DISTILL: "distilled from a larger model",
    Objective.PRUNE: "pruned from a base model and healed",
    Objective.QUANTIZE: "quantized from a base model",
}


def _opening(job: JobConfig, model: ModelFacts) -> str:
    what = model.description or f"A model of the {job.family} family with {model.parameters:,} parameters."
    return f"{what} It was {_ORIGIN[job.objective.kind]} by the TrainingJob `{job.namespace}/{job.name}`."


def _training(job: JobConfig, dataset: DatasetFacts) -> dict[str, str]:
    options = job.hyperparameters
    size = f"{dataset.size_bytes:,} bytes"
    for count, unit in ((dataset.rows, "rows"), (dataset.tokens, "tokens")):
        size += f", {count:,} {unit}" if count is not None else ""
    packing = {"packing factor": f"{dataset.packing_factor:.3g}"} if dataset.packing_factor is not None else {}
    licence = {"licence of the data": job.dataset.license} if job.dataset.license else {}
    return {
        "dataset": f"SHA-256 `{dataset.sha256}`, {size}",
        **licence,
        "held out": f"{job.dataset.validation_percent}%",
        "steps": f"{options.steps} of {options.batch_size} sequences or images",
        "learning rate": f"{options.learning_rate:g}, {options.warmup_steps} steps of warm-up",
        **packing,
        "seed": str(options.seed),
    }


def _comparison(comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    rows = {
        "weights, bytes": (f"{before.size_bytes:,}", f"{after.size_bytes:,}"),
        "parameters that are not zero": (f"{before.parameters:,}", f"{after.parameters:,}"),
        "latency of one sequence, ms": (f"{before.latency_seconds * 1e3:.3g}", f"{after.latency_seconds * 1e3:.3g}"),
    }
    for name in sorted(before.metrics.keys() & after.metrics.keys()):
        rows[name.replace("_", " ")] = (f"{before.metrics[name]:.4g}", f"{after.metrics[name]:.4g}")
    lines = "\n".join(f"| {name} | {first} | {second} |" for name, (first, second) in rows.items())
    return f"| | before | after |\n| --- | --- | --- |\n{lines}"


def _table(first: str, second: str, rows: Mapping[str, str]) -> str:
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| {first} | {second} |\n| --- | --- |\n{lines}"
