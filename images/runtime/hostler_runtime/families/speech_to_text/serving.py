"""The serving half of speech recognition: audio of any length to text with times."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import torch

from hostler_runtime.families.speech_to_text.artifacts import open_directory, recognizer_of
from hostler_runtime.families.speech_to_text.decoding import Choice
from hostler_runtime.families.speech_to_text.recognizers import Heard, Order, Recognizer
from hostler_runtime.families.speech_to_text.whisper import WhisperFormat
from hostler_runtime.families.speech_to_text.windows import Window, cut
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import (
    SAMPLING_RATE,
    BatchReport,
    Segment,
    SpeechRequest,
    SpeechResult,
    TaskRequest,
    Work,
)

_SEEDS = 1 << 63
_MOST_NAMED = 12
"""Languages that a refusal lists before it says how many more there are."""


class SpeechModel:
    """A ``BatchModel``."""

    def __init__(self, recognizer: Recognizer, *, windows_at_once: int) -> None:
        self.recognizer = recognizer
        self._windows_at_once = windows_at_once
        self.tasks: frozenset[type] = frozenset({SpeechRequest})

    def check(self, request: TaskRequest) -> None:
        """Raises ``PromptRejectedError`` where a language is unknown, or the model is not told what is asked for."""
        assert isinstance(request, SpeechRequest)
        known = self.recognizer.text_languages
        if request.language is not None and request.language not in known:
            raise _refused(
                f"This model does not know the spoken language '{request.language}'; it knows {_some(known)}.",
                code="language_not_supported",
                param="language",
            )
        self._check_target(request)
        takes_prompt = isinstance(self.recognizer.format, WhisperFormat) and self.recognizer.format.takes_prompt
        if request.prompt.strip() and not takes_prompt:
            raise _refused(
                "This model was not trained to take a prompt; leave it out.",
                code="prompt_not_supported",
                param="prompt",
            )
        if request.temperature > 0 and not self.recognizer.is_told:
            raise _refused(
                "This model (CTC) writes the likeliest text only; leave the temperature at 0.",
                code="temperature_not_supported",
                param="temperature",
            )

    def batch_key(self, request: TaskRequest) -> Hashable:
        """One for all: audio of any length becomes windows, and those share batches."""
        return "speech"

    def run_batch(self, requests: Sequence[TaskRequest]) -> BatchReport:
        """Transcripts in order."""
        heard = [one for one in requests if isinstance(one, SpeechRequest)]
        windows = [cut(one.samples, longest=self.recognizer.format.max_samples) for one in heard]
        languages = self._languages(heard, windows)
        jobs = [(index, place) for index, each in enumerate(windows) for place in range(len(each))]
        written: dict[tuple[int, int], Heard] = {}
        layout = self.recognizer.format
        frames = computed = 0
        for start in range(0, len(jobs), self._windows_at_once):
            portion = jobs[start : start + self._windows_at_once]
            sounds = [layout.sound(windows[index][place].samples) for index, place in portion]
            frames += sum(len(each.frames) for each in sounds)
            computed += layout.width(sounds) * len(sounds)
            orders = [_order(heard[index], spoken=languages[index], place=place) for index, place in portion]
            written |= dict(zip(portion, self.recognizer.transcribe(sounds, orders), strict=True))
        results = []
        for index, one in enumerate(heard):
            texts = [written[index, place] for place in range(len(windows[index]))]
            results.append(_result(one, windows[index], texts, language=languages[index] or texts[0].language))
        return BatchReport(tuple(results), padding=1 - frames / computed if computed else None)

    def _languages(self, requests: Sequence[SpeechRequest], windows: Sequence[Sequence[Window]]) -> list[str | None]:
        """What is spoken: as the request says, or as its first stretch with sound in it sounds. None leaves it to the
        only stretch to tell, which saves hearing that twice."""
        found = [one.language for one in requests]
        unknown = [index for index, one in enumerate(found) if one is None and len(windows[index]) != 1]
        layout = self.recognizer.format
        for start in range(0, len(unknown), self._windows_at_once):
            portion = unknown[start : start + self._windows_at_once]
            # Where all is silent, an answer has to name a language all the same.
            first = [windows[one][0].samples if windows[one] else requests[one].samples for one in portion]
            detected = self.recognizer.detect([layout.sound(each[: layout.max_samples]) for each in first])
            for index, language in zip(portion, detected, strict=True):
                found[index] = language
        return found

    def _check_target(self, request: SpeechRequest) -> None:
        known, target = self.recognizer.text_languages, request.target_language
        if target is None:
            return
        if request.language is not None:
            if target not in known[request.language]:
                raise _refused(
                    f"This model writes speech in '{request.language}' as {_some(known[request.language])}, not as "
                    f"'{target}'.",
                    code="language_not_supported",
                    param="target_language",
                )
            return
        able = [spoken for spoken, targets in known.items() if target in targets]
        if not able:
            written = {each for targets in known.values() for each in targets}
            raise _refused(
                f"This model does not write '{target}'; it writes {_some(sorted(written))}.",
                code="language_not_supported",
                param="target_language",
            )
        if not self.recognizer.is_told and len(able) < len(known):
            raise _refused(
                f"This model writes '{target}' for speech in {_some(able)} only: say which language is spoken.",
                code="language_required",
                param="language",
            )


def load(path: Path, *, options: LoadOptions) -> SpeechModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("speech-to-text")
    directory = open_directory(path)
    layout = directory.format()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Narrow types are slower than fp32 on CPUs without matrix units.
    model = directory.network(dtype="auto" if device == "cuda" else torch.float32)
    model = model.to(device).eval().requires_grad_(False)
    return SpeechModel(recognizer_of(model, layout), windows_at_once=options.max_batch_size)


def _order(request: SpeechRequest, *, spoken: str | None, place: int) -> Order:
    # Every window has a seed of its own, or all of them would draw alike.
    seed = (request.seed + place) % _SEEDS
    return Order(
        spoken=spoken,
        target=request.target_language,
        before=request.prompt,
        choice=Choice(request.temperature, seed),
    )


def _result(
    request: SpeechRequest, windows: Sequence[Window], heard: Sequence[Heard], *, language: str
) -> SpeechResult:
    segments = tuple(
        Segment(window.start, window.end, each.text.strip(), each.tokens, each.log_probability)
        for window, each in zip(windows, heard, strict=True)
        if each.text.strip()
    )
    work = Work(
        output_tokens=sum(len(each.tokens) for each in heard), audio_seconds=len(request.samples) / SAMPLING_RATE
    )
    return SpeechResult("".join(each.text for each in heard).strip(), language, segments, work)


def _refused(message: str, *, code: str, param: str) -> PromptRejectedError:
    return PromptRejectedError(message, code=code, param=param)


def _some(languages: Iterable[str]) -> str:
    listed = [f"'{each}'" for each in languages]
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(listed[:_MOST_NAMED]) + more
