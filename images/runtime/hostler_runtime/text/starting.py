"""What a decoder's training starts from: sizes and the data alone, or a base model with its tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostler_contract import ErrorReason, JobConfig, Objective, PackingConfig, TransformerConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.pretrained import from_base, read_tokenizer
from hostler_runtime.text.architectures import unpackable
from hostler_runtime.text.artifacts import read_configuration
from hostler_runtime.text.attention import LONGEST_BY_DEFAULT, shortened
from hostler_runtime.text.decoder import base_decoder, check_sizes, fresh_decoder
from hostler_runtime.text.saving import fresh_defaults
from hostler_runtime.text.tokenizer import Newlines, train_tokenizer

_UNLIMITED = 2048
"""Tokens in a sequence of a base model that names no limit."""


@dataclass(frozen=True)
class Base:
    """What the files of a base model say before its weights are read."""

    directory: Path
    config: Any

    @property
    def vocabulary_size(self) -> int:
        """Rows of its embedding; a tokenizer may use fewer."""
        return int(self.config.get_text_config().vocab_size)

    @property
    def context_length(self) -> int:
        """Longest sequence that it was made for, in tokens."""
        length = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else _UNLIMITED


def base_of(job: JobConfig) -> Base | None:
    """The base model that the job names. Raises ``RuntimeFailure`` where it cannot be read."""
    if job.inputs.base is None:
        return None
    directory = Path(job.inputs.base)
    return Base(directory, from_base(lambda: read_configuration(directory), what="the base model"))


def sizes_of(job: JobConfig) -> TransformerConfig:
    """The sizes of the decoder that is to be made. Raises ``RuntimeFailure`` where they are missing or impossible."""
    if job.model.transformer is None:
        raise _invalid(
            f"family {job.family} needs the sizes of the decoder: set output.transformer, or name a base model"
        )
    check_sizes(job.model.transformer)
    return job.model.transformer


def is_fresh(job: JobConfig) -> bool:
    """Whether the decoder begins with random weights: without a base model, or as the student of one."""
    return job.inputs.base is None or job.objective.kind is Objective.DISTILL


def context_length(job: JobConfig) -> int:
    """Longest sequence that the job trains on, in tokens. Raises ``RuntimeFailure`` where the network was made for
    shorter ones."""
    made_for, what = _positions(job)
    asked = job.hyperparameters.context_length
    if asked is None:
        explicit = job.inputs.base is None or is_fresh(job) or job.model.transformer is not None
        return made_for if explicit else min(made_for, LONGEST_BY_DEFAULT)
    if asked > made_for:
        raise _invalid(f"training.contextLength {asked} is more than the {made_for} tokens that {what}: lower it")
    return asked


def made_for(job: JobConfig) -> int:
    """Longest sequence that a server of the finished model reads, in tokens. Raises ``RuntimeFailure``."""
    return _positions(job)[0]


def _positions(job: JobConfig) -> tuple[int, str]:
    """How many tokens the network is made for, and who says so."""
    base = base_of(job)
    if base is None:
        return sizes_of(job).context_length, "output.transformer.contextLength names"
    limit = base.context_length
    if not is_fresh(job) and job.model.transformer is None:
        return limit, "the base model was made for"
    wanted = sizes_of(job).context_length
    if wanted > limit:
        raise _invalid(
            f"contextLength {wanted} is more than the {limit} tokens that the base model was made for: lower it"
        )
    return wanted, "output.transformer.contextLength names"


def packing_of(job: JobConfig) -> PackingConfig:
    """How rows are shared: as the job says, and not at all by an architecture that would mix its sequences."""
    return job.packing if why_unpacked(job) is None else job.packing.model_copy(update={"mode": "off"})


def why_unpacked(job: JobConfig) -> str | None:
    """Why rows are not shared although the job would have them shared; None where they are, or were not to be."""
    base = base_of(job)
    # What has random weights here is a GPT-2 or a Llama; a teacher reads the same rows, though.
    if job.packing.mode == "off" or base is None:
        return None
    return unpackable(base.config, context_length=context_length(job))


def starting_notes(job: JobConfig) -> list[str]:
    """Sentences about rows that are other than the job, or its base model, would let one expect."""
    notes = []
    length, limit = context_length(job), made_for(job)
    if job.hyperparameters.context_length is None and length < limit:
        notes.append(shortened(length, limit=limit))
    if (why := why_unpacked(job)) is not None:
        notes.append(f"packing is off, each row holds one sequence: {why}")
    return notes


def tokenizer_for(
    job: JobConfig,
    texts: Iterable[str],
    *,
    special_tokens: Sequence[str] = (),
    newlines: Newlines = "merged",
) -> Any:
    """The base model's tokenizer where there is a base, else one that is trained on ``texts``.

    Raises ``RuntimeFailure`` where it does not fit the model.
    """
    base = base_of(job)
    if base is None:
        sizes = sizes_of(job)
        return train_tokenizer(
            texts,
            vocabulary_size=sizes.vocabulary_size,
            context_length=sizes.context_length,
            special_tokens=special_tokens,
            newlines=newlines,
        )
    return from_base(
        lambda: read_tokenizer(base.directory, vocabulary_size=base.vocabulary_size), what="the base model's tokenizer"
    )


def preparation(job: JobConfig) -> str:
    """What of the job decides how its text is prepared, for fingerprints."""
    base = base_of(job)
    vocabulary = None if base is not None else sizes_of(job).vocabulary_size
    sizes = (context_length(job), made_for(job), vocabulary, packing_of(job).mode)
    belongs = "" if base is None else _hash_of_tokenizer(base.directory)
    return f"{sizes} {job.dataset.validation_percent} {job.packing.model_dump_json()} {belongs}"


def _hash_of_tokenizer(directory: Path) -> str:
    """Of the vocabulary and of the chat templates: both decide which tokens a row becomes."""
    names = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "additional_chat_templates/*.jinja")
    files = [file for name in names for file in sorted(directory.glob(name))]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def vocabulary_size(job: JobConfig, tokenizer: Any) -> int:
    """Rows of the embedding: a student has those of its teacher, so that their distributions can be compared."""
    base = base_of(job)
    return len(tokenizer) if base is None else base.vocabulary_size


def build_decoder(job: JobConfig, tokenizer: Any, *, temperature: float) -> Any:
    """Fresh weights, which answer at this temperature, or those of the base model, which answer as they did. Raises
    ``RuntimeFailure`` where something does not fit."""
    if is_fresh(job):
        made = fresh_decoder(sizes_of(job), tokenizer, vocabulary_size=vocabulary_size(job, tokenizer))
        made.generation_config = fresh_defaults(temperature=temperature)
        return made
    base = base_of(job)
    assert base is not None
    model, _ = base_decoder(base.directory)
    _refuse_other_sizes(job.model.transformer, model)
    return model


def _refuse_other_sizes(block: TransformerConfig | None, model: Any) -> None:
    """Sizes beside a base model may say what it is and shorten its sequences; they cannot change it."""
    if block is None:
        return
    config = model.config
    for name, wanted, found in (
        ("architecture", block.architecture, config.model_type),
        ("layers", block.layers, config.num_hidden_layers),
        ("hiddenSize", block.hidden_size, config.hidden_size),
        ("heads", block.heads, config.num_attention_heads),
    ):
        if wanted != found:
            raise _invalid(
                f"output.transformer says {name} {wanted}, the base model has {found}: "
                "leave output.transformer out, or set its contextLength alone beside the base model's sizes",
            )


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)
