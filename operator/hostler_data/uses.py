"""What rows can be used for: one entry for each way in which some family reads a row, with the trainer's own checks.

A row is sound where some family can use it, and a dataset where one family can use all of its rows. The functions that
check a row are those that the trainers read it with, so that what is sound here is not refused there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostler_data.answers import find_answer, praise_of
from hostler_data.errors import DataError, NoRoleError
from hostler_data.judged import are_messages, judged_talks, judged_texts
from hostler_data.labels import caption_of, class_of, label_of
from hostler_data.record import Record
from hostler_data.transcripts import transcript_of
from hostler_data.turns import conversation_of, tools_of


@dataclass(frozen=True)
class Use:
    """A way in which a row is read."""

    what: str
    """In words, plural."""
    families: frozenset[str]
    applies: Callable[[Mapping[str, Any]], bool]
    """Whether a row's columns call for it."""
    check: Callable[[Record], object]
    """Raises ``DataError`` where the row cannot be read in this way."""
    reads: frozenset[str]
    """Roles that are read."""


def _conversation(record: Record) -> None:
    conversation_of(record)
    tools_of(record)


def _question(record: Record) -> None:
    record.text("question")
    find_answer(record)


def _pair(record: Record) -> None:
    _judged(record, "chosen", "rejected")


def _verdict(record: Record) -> None:
    praise_of(record)
    _judged(record, "completion")


def _judged(record: Record, *roles: str) -> None:
    # Which model learns from texts says whether they become turns; of what are turns already, that is known.
    if are_messages(record):
        judged_talks(record, roles)
        tools_of(record)
    else:
        judged_texts(record, roles)


def _recording(record: Record) -> None:
    record.require("audio")
    transcript_of(record, default="en")


def _clip(record: Record) -> None:
    if "frames" not in record.values:
        record.require("video")
    record.text("caption")


def _captioned(record: Record) -> None:
    record.require("image")
    caption_of(record)


def _image(record: Record) -> None:
    record.require("image")


def _classified(record: Record) -> None:
    if not record.text().strip():
        raise record.error("the text is empty: write one, or remove the row")
    class_of(record)


def _document(record: Record) -> None:
    record.text()


def _has(*roles: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda values: all(role in values for role in roles)


def _use(
    what: str,
    families: str,
    applies: Callable[[Mapping[str, Any]], bool],
    check: Callable[[Record], object],
    reads: str,
) -> Use:
    return Use(what, frozenset(families.split()), applies, check, frozenset(reads.split()))


USES = (
    _use("conversations", "chat", _has("messages"), _conversation, "messages tools"),
    _use("questions", "bert", _has("question", "context"), _question, "question context answer answer_start"),
    _use("pairs", "chat code", _has("chosen"), _pair, "prompt chosen rejected tools"),
    _use("verdicts", "chat code", _has("completion", "praise"), _verdict, "prompt completion praise tools"),
    _use(
        "recordings", "speech-to-text", _has("audio"), _recording,
        "audio text language target_language offset duration",
    ),
    _use(
        "clips", "text-to-video", lambda values: "video" in values or "frames" in values, _clip, "video frames caption"
    ),
    _use(
        "captioned images", "text-to-image",
        lambda values: "image" in values and ("caption" in values or "label" in values), _captioned,
        "image caption label",
    ),
    _use("images", "vae gan", _has("image"), _image, "image label"),
    _use("classified texts", "bert", _has("text", "label"), _classified, "text label"),
    # A chat family takes rows with messages for conversations, whatever else they have.
    _use("documents", "chat", lambda values: "text" in values and "messages" not in values, _document, "text"),
    _use("documents", "code bert", _has("text"), _document, "text"),
)  # fmt: skip
"""From what needs most to what needs least, which is the order in which a broken row is taken for one of them."""
_JUDGED = ("pairs", "verdicts")
FAMILIES = frozenset(family for use in USES for family in use.families)
"""Every family that reads rows."""


def reads_of(family: str, values: Mapping[str, Any], *, judged: bool) -> frozenset[str] | None:
    """Roles that a job of a family reads of rows like this one, whether or not it is to learn from verdicts; None where
    it can use no such rows."""
    return next((use.reads for use in _of(family, judged=judged) if use.applies(values)), None)


def wanted_by(family: str, *, judged: bool) -> str:
    """Roles that a job of a family can learn from, in words."""
    return "; or ".join(dict.fromkeys(_WANTED[use.what] for use in _of(family, judged=judged)))


def _of(family: str, *, judged: bool) -> Iterator[Use]:
    return (use for use in USES if family in use.families and (use.what in _JUDGED) is judged)


class Candidates:
    """Ways in which all rows so far can be used: what the first row's columns call for most, of what ``family`` can do
    with it or, without one, of everything. Images without their captions are images still."""

    def __init__(self, family: str | None = None) -> None:
        self._family = family
        self._uses = tuple(use for use in USES if family is None or family in use.families)
        self._found = False
        self._dropped: list[str] = []
        self._labelled = False
        """Whether the first row is an image with a label, and then all have to be."""

    def problem(self, record: Record) -> DataError | None:
        """Why the row cannot be used with those before it; None where it can."""
        considered = self._uses if self._found else self._called_for(record)
        if not considered:
            return self._no_role(record)
        problems = {use: self._checked(use, record) for use in considered}
        sound = tuple(use for use, problem in problems.items() if problem is None)
        if not sound:
            return problems[considered[0]]
        if not self._found:
            self._labelled = "image" in record.values and record.values.get("label") is not None
        self._dropped += [
            f"No use as {use.what}: {problem}" for use, problem in problems.items() if problem is not None
        ]
        self._uses, self._found = sound, True
        return None

    @property
    def reads(self) -> frozenset[str] | None:
        """Roles that are read in some way that is left; None where no row could be used."""
        return frozenset(role for use in self._uses for role in use.reads) if self._found else None

    @property
    def notes(self) -> list[str]:
        """Sentences about uses that some row stood in the way of."""
        return self._dropped

    def _called_for(self, record: Record) -> tuple[Use, ...]:
        fitting = tuple(use for use in self._uses if use.applies(record.values))
        return tuple(use for use in fitting if use is fitting[0] or "image" in use.reads)

    def _checked(self, use: Use, record: Record) -> DataError | None:
        try:
            if self._labelled and "image" in use.reads:
                label_of(record)
            use.check(record)
        except DataError as error:
            return error
        return None

    def _nearest(self, values: Mapping[str, Any]) -> str:
        """What is missing for uses of which two columns are there."""
        known = {use.what for use in self._uses}
        said = []
        for what, needed in _NEEDED.items():
            missing = [role for role in needed if role not in values]
            if what in known and len(missing) == 1:
                said.append(f" For {what} {missing[0]} is missing: name its column under `columns`.")
        return "".join(said)

    def _no_role(self, record: Record) -> DataError:
        have = ", ".join(sorted(record.values)) or "none"
        wanted = "; or ".join(dict.fromkeys(_WANTED[use.what] for use in self._uses))
        hint = _answers_alone(record.values)
        if self._family is not None:
            text = f"has nothing for the family {self._family}, which reads {wanted}; its columns: {have}."
            return record.error(f"{text}{hint}{self._nearest(record.values) or _NAME_THEM}", kind=NoRoleError)
        if any(use.reads & record.values.keys() for use in self._uses):
            near = self._nearest(record.values)
            said = f"no family can use these columns alone: {have}.{hint}{near} Families read {wanted}"
            return record.error(said, kind=NoRoleError)
        message = f"no column plays a role; the columns are: {have}."
        return record.error(f"{message}{hint}{_NAME_THEM}", kind=NoRoleError)


def _answers_alone(values: Mapping[str, Any]) -> str:
    """A way out for the most frequent rows that nobody reads: a question and its answer, under names of their own."""
    asked, answered = (sorted(names & values.keys()) for names in _ANSWERED)
    if not asked or not answered or "messages" in values:
        return ""
    renamed = [f"{name} to {new}" for name, new in ((asked[0], "instruction"), (answered[0], "output")) if name != new]
    return f" To be learnt as conversations, rename {' and '.join(renamed)}." if renamed else ""


_NAME_THEM = " Name the one that is the text, the image, ... under `columns`."
_NEEDED = {
    "questions": ("question", "context", "answer"),
    "pairs": ("prompt", "chosen", "rejected"),
    "verdicts": ("prompt", "completion", "praise"),
}
"""Uses for which several columns are needed."""
_ANSWERED = ({"question", "prompt", "instruction"}, {"answer", "completion", "response", "output"})
"""Names of questions, and of their answers, in files for fine-tuning."""
_WANTED = {
    "conversations": "messages",
    "questions": "question, context and answer",
    "pairs": "prompt, chosen and rejected",
    "verdicts": "prompt, completion and praise",
    "recordings": "audio and text",
    "clips": "video (or frames) and caption",
    "captioned images": "image and caption (or label)",
    "images": "image, with or without label",
    "classified texts": "text and label",
    "documents": "text",
}
