"""A network with its format: from sounds to transcripts. Evaluation and server use the same one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.decoding import Choice, Rules, best_path, listen, write
from hostler_runtime.families.speech_to_text.formats import Format, Sound
from hostler_runtime.families.speech_to_text.whisper import NO_TIMESTAMPS, WhisperFormat


@dataclass(frozen=True)
class Order:
    """What is wanted of one sound."""

    spoken: str | None = None
    """Language that is spoken; None lets the model tell."""
    target: str | None = None
    """Language of the text; None means the usual one of the language spoken."""
    before: str = ""
    """Text that came before."""
    choice: Choice = field(default_factory=Choice)


@dataclass(frozen=True)
class Heard:
    """One transcript."""

    text: str
    """As it joins the one before: with its leading space, where the language has spaces."""
    language: str
    """That was spoken."""
    tokens: tuple[int, ...]
    log_probability: float
    """Mean over the tokens."""


class Recognizer(Protocol):
    """Sounds to transcripts, several at a time."""

    is_told: bool
    """Whether language, prompt and temperature change what is written. CTC is told nothing."""

    @property
    def format(self) -> Format:
        """Feature extractor and tokenizer that go with the network."""

    @property
    def text_languages(self) -> Mapping[str, tuple[str, ...]]:
        """For each language that may be spoken, those in which its text can be written; the first is the usual one."""

    def transcribe(self, sounds: Sequence[Sound], orders: Sequence[Order]) -> list[Heard]:
        """In order. No sound is longer than the format's ``max_samples``."""

    def detect(self, sounds: Sequence[Sound]) -> list[str]:
        """The language that is spoken in each."""


class WhisperRecognizer:
    """A ``Recognizer``. Its encoder hears every window at full length, so rows do not touch each other."""

    is_told = True

    def __init__(self, model: Any, layout: WhisperFormat) -> None:
        self.model = model
        self.format = layout
        self.text_languages = _declared(model.config) or {
            # OpenAI's models write what is spoken, or English.
            language: (language, *(["en"] if language != "en" else []))
            for language in _spoken(model, layout)
        }
        generation = model.generation_config
        device = model.device
        never = set(generation.suppress_tokens or ()) | set(layout.unwritten)
        # Timestamps, where there are any, have the ids after this token.
        never |= set(range(layout.token(NO_TIMESTAMPS), model.config.vocab_size))
        never -= {layout.end}
        self._rules = Rules(
            end=layout.end,
            never=torch.tensor(sorted(never), device=device),
            not_first=torch.tensor(list(generation.begin_suppress_tokens or ()), dtype=torch.long, device=device),
            positions=model.config.max_target_positions,
        )

    @torch.no_grad()
    def transcribe(self, sounds: Sequence[Sound], orders: Sequence[Order]) -> list[Heard]:
        """Detect the languages that are not given, then write; rows whose prompts have one length go together."""
        heard, expected = self._listen(sounds)
        spoken = self._languages(expected, orders)
        groups: dict[int, list[int]] = defaultdict(list)
        prompts = [self._prompt(order, language) for order, language in zip(orders, spoken, strict=True)]
        for row, prompt in enumerate(prompts):
            groups[len(prompt)].append(row)
        found: dict[int, Heard] = {}
        for rows in groups.values():
            written = write(
                self.model,
                heard[rows],
                [prompts[row] for row in rows],
                choices=[orders[row].choice for row in rows],
                rules=self._rules,
            )
            for row, each in zip(rows, written, strict=True):
                found[row] = Heard(self.format.text(each.tokens), spoken[row], each.tokens, each.log_probability)
        return [found[row] for row in range(len(orders))]

    @torch.no_grad()
    def detect(self, sounds: Sequence[Sound]) -> list[str]:
        """What the decoder expects after the token that begins every transcript."""
        _, expected = self._listen(sounds)
        return self._languages(expected, [Order()] * len(sounds))

    def _listen(self, sounds: Sequence[Sound]) -> tuple[Tensor, Tensor]:
        features = self.format.features(sounds)["input_features"].to(self.model.device, self.model.dtype)
        return listen(self.model, features, start=self.format.start)

    def _languages(self, expected: Tensor, orders: Sequence[Order]) -> list[str]:
        names = list(self.text_languages)
        if len(names) > 1:
            tokens = torch.tensor([self.format.language(name) for name in names], device=expected.device)
            likeliest: list[int] = expected[:, tokens].argmax(-1).tolist()
        else:
            likeliest = [0] * len(orders)
        return [order.spoken or names[index] for order, index in zip(orders, likeliest, strict=True)]

    def _prompt(self, order: Order, spoken: str) -> list[int]:
        target = order.target or self.text_languages[spoken][0]
        return self.format.prompt(spoken=spoken, target=target, before=order.before)


class ConformerRecognizer:
    """A ``Recognizer``. Its encoder hears as much as the longest sound, and masks what is padding."""

    is_told = False

    def __init__(self, model: Any, layout: ConformerFormat) -> None:
        self.model = model
        self.format = layout
        # Published models are English and have no token that would say so.
        self.text_languages = _declared(model.config) or {each: (each,) for each in layout.languages or ("en",)}
        self._blank = int(model.config.pad_token_id)

    @torch.no_grad()
    def transcribe(self, sounds: Sequence[Sound], orders: Sequence[Order]) -> list[Heard]:
        """The best path of each row; a language that is given leaves no other to be written."""
        features = {name: each.to(self.model.device) for name, each in self.format.features(sounds).items()}
        features["input_features"] = features["input_features"].to(self.model.dtype)
        scores = self.model(**features).logits.float().log_softmax(-1).cpu()
        return [
            self._heard(scores[row, : self.format.steps(len(sound.frames))], order)
            for row, (sound, order) in enumerate(zip(sounds, orders, strict=True))
        ]

    def detect(self, sounds: Sequence[Sound]) -> list[str]:
        """What is written before the text."""
        return [each.language for each in self.transcribe(sounds, [Order()] * len(sounds))]

    def _heard(self, scores: Tensor, order: Order) -> Heard:
        tokens = {name: self.format.language_tokens.get(name) for name in self.text_languages}
        names = list(tokens) if order.spoken is None else [order.spoken]
        others = [token for name, token in tokens.items() if name not in names and token is not None]
        if others:
            scores = scores.clone()
            scores[:, others] = -torch.inf
        # The language is written in one step: the one that any step is surest of.
        best = max(names, key=lambda name: 0.0 if tokens[name] is None else float(scores[:, tokens[name]].max()))
        written = best_path(scores, blank=self._blank)
        return Heard(f" {self.format.text(written.tokens).strip()}", best, written.tokens, written.log_probability)


def _declared(config: Any) -> dict[str, tuple[str, ...]]:
    """What a model made here says in its configuration."""
    declared = getattr(config, "text_languages", None) or {}
    return {str(spoken): tuple(targets) for spoken, targets in declared.items()}


def _spoken(model: Any, layout: WhisperFormat) -> list[str]:
    known = getattr(model.generation_config, "lang_to_id", None)
    if not layout.multilingual or not known:
        return list(layout.languages)
    return [name.strip("<|>") for name in known]
