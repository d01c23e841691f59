"""What each family measures on held-out data: the names that gates and targets may ask for.

One table for both sides of the contract. The control plane refuses a name that is not in it before anything starts; the
trainer refuses, before the first step, one whose condition its data does not meet, and says nothing that is not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType

from hostler_contract.objective import Objective, ObjectiveConfig


class Need(StrEnum):
    """What must be there for a figure to be measured, as the end of a sentence."""

    CONVERSATIONS = "held-out conversations that are not cut"
    TEXT_SIZES = "texts whose size in bytes is known"
    FUNCTIONS = "at least 8 held-out Python functions with room for a body"
    MIDDLES = "a tokenizer that fills in the middle, and at least 8 held-out programs with room for one"
    CLASSES = "images with labels"
    UPSCALER = "a model that enlarges its clips"
    CAPTIONS = "several held-out captions, and a model with a judge of its own"
    TASKS = "several pairs of spoken and written language"
    OTHER_RECORDINGS = "held-out recordings that say different things"
    LANGUAGES = "texts in several languages"
    BOTH_VERDICTS = "held-out praise and criticism"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a family."""

    name: str
    """Its name; ``*`` stands for what the data decides, such as a language."""
    head: str | None = None
    """The head that it is of, in families that have several."""
    need: Need | None = None
    """What must be there for it to be measured; None where it always is."""


def _always(*names: str, head: str | None = None) -> tuple[Figure, ...]:
    return tuple(Figure(name=name, head=head) for name in names)


def _with(need: Need, *names: str) -> tuple[Figure, ...]:
    return tuple(Figure(name=name, need=need) for name in names)


_LOSS = _always("validation_loss")
_TEXT = (
    *_LOSS,
    *_always("validation_perplexity", "unigram_perplexity", "bigram_perplexity"),
    *_with(Need.TEXT_SIZES, "validation_bits_per_byte"),
)
FIGURES: Mapping[str, tuple[Figure, ...]] = MappingProxyType(
    {
        "chat": (*_TEXT, *_with(Need.CONVERSATIONS, "answer_accuracy", "commonest_answer_accuracy")),
        "code": (
            *_TEXT,
            *_with(Need.FUNCTIONS, "body_parse_ratio"),
            *_with(Need.MIDDLES, "suffix_preference", "infill_parse_ratio", "infill_parse_ratio_other_suffix"),
        ),
        "bert": (
            *_LOSS,
            *_always("masked_accuracy", "masked_accuracy_shuffled", "unigram_accuracy", head="masked-lm"),
            *_always("accuracy", "accuracy_shuffled", "majority_accuracy", head="classification"),
            *_always("exact_match", "f1", "exact_match_shuffled", head="question-answering"),
        ),
        "text-to-image": (
            *_LOSS,
            *_always("autoencoder_mse_ratio", "caption_agreement", "caption_agreement_shuffled", "judge_accuracy"),
        ),
        "text-to-video": (
            *_LOSS,
            *_always("autoencoder_loss"),
            *_with(Need.UPSCALER, "upscale_mse", "bicubic_mse"),
            *_with(Need.CAPTIONS, "caption_agreement", "caption_agreement_chance", "judge_accuracy"),
        ),
        "speech-to-text": (
            *_LOSS,
            *_always("word_error_rate", "character_error_rate"),
            *_with(Need.TASKS, "word_error_rate_*_to_*"),
            *_with(Need.OTHER_RECORDINGS, "wer_of_other_audio"),
            *_with(Need.LANGUAGES, "language_accuracy", "most_frequent_language"),
        ),
        "gan": (
            *_always("pixel_spread"),
            *_with(Need.CLASSES, "class_spread", "class_agreement", "class_agreement_shuffled", "judge_accuracy"),
        ),
        "vae": (*_LOSS, *_always("validation_mse", "shuffled_mse", "mean_image_mse", "mse_ratio")),
    }
)
"""By family."""
_PREFERENCE = (*_LOSS, *_with(Need.BOTH_VERDICTS, "reward_accuracy", "reward_margin"))
_UNSTRUCTURED = _always("sparsity")


def figures_of(family: str, objective: ObjectiveConfig, *, head: str | None = None) -> tuple[Figure, ...]:
    """What a job of this family and objective measures; of every head where none is known."""
    if objective.kind is Objective.PREFERENCE:
        return _PREFERENCE
    found = tuple(each for each in FIGURES.get(family, ()) if head is None or each.head in (None, head))
    unstructured = objective.kind is Objective.PRUNE and objective.prune.method == "unstructured"
    return found + (_UNSTRUCTURED if unstructured else ())


def named(figures: Collection[Figure], metric: str) -> Figure | None:
    """The entry that a metric's name belongs to."""
    return next((each for each in figures if fnmatchcase(metric, each.name)), None)


def listed(figures: Collection[Figure]) -> str:
    """Their names for people."""
    return ", ".join(each.name.replace("*", "LANGUAGE") for each in figures)


def unmeasured(
    figures: Collection[Figure], metrics: Collection[str], *, lacks: Collection[Need] = ()
) -> Iterator[tuple[str, str]]:
    """Each metric that will not be measured, and why, as the end of a sentence that begins with its name.

    ``lacks`` are the needs that are known not to be met.
    """
    there = [each for each in figures if each.need not in lacks]
    for metric in metrics:
        found = named(figures, metric)
        if found is None:
            yield metric, f"is not measured; there are {listed(there)}"
        elif found.need in lacks:
            yield metric, f"needs {found.need}; without that there are {listed(there)}"
