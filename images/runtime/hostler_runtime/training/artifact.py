"""The finished model: written beside its name, then renamed, so that nobody ever serves half of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hostler_contract import ArtifactFacts, JobConfig
from hostler_contract.result import DatasetFacts
from hostler_runtime.families.training_protocol import ModelFacts
from hostler_runtime.training.files import fresh_directory, publish_directory, sha256_of

MODEL_DIRECTORY = "model"


def publish_model(
    workspace: Path, *, volume: Path, save: Callable[[Path], ModelFacts], card: Callable[[ModelFacts], str]
) -> ArtifactFacts:
    """Save the model with its card; ``volume`` is the root that artifact paths are relative to."""
    temporary = fresh_directory(workspace / f".{MODEL_DIRECTORY}")
    facts = save(temporary)
    (temporary / "README.md").write_text(card(facts), encoding="utf-8")
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    digest = content_hash(temporary, files)
    target = workspace / MODEL_DIRECTORY
    publish_directory(temporary, target)
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


def model_card(
    job: JobConfig, *, header: Mapping[str, Any], model: ModelFacts, dataset: DatasetFacts, metrics: Mapping[str, float]
) -> str:
    """README.md: a YAML header for catalogs, then what was done, from facts only."""
    options = job.hyperparameters
    # JSON scalars are YAML scalars, and quoting is then never in doubt.
    head = "\n".join(
        f"{key}: {json.dumps(value)}" for key, value in {**header, "tags": ["hostler", job.family]}.items()
    )
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in sorted(metrics.items()))
    return f"""---
{head}
---

# {job.model_name}

A `{job.model.architecture}` decoder with {model.parameters:,} parameters, {model.context_length} tokens of context and
a vocabulary of {model.vocabulary_size}. Trained from scratch ({job.objective}) by the TrainingJob
`{job.namespace}/{job.name}`, with weights and tokenizer made from its dataset alone.

| figure | value |
| --- | --- |
{rows}

| training | |
| --- | --- |
| dataset | SHA-256 `{dataset.sha256}`, {dataset.size_bytes:,} bytes, {dataset.tokens:,} tokens |
| held out | {job.dataset.validation_percent}% |
| steps | {options.steps} of {options.batch_size} sequences |
| learning rate | {options.learning_rate:g}, {options.warmup_steps} steps of warm-up, then cosine |
| seed | {options.seed} |

The model continues text. It was not tuned on conversations: its chat template joins the messages and lets it go on.
"""
