"""The JSON of answers and of stream chunks, field for field as the OpenAI API has them. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hostler_runtime.protocols.tasks import Work
from hostler_runtime.server.generation import Usage

OBJECTS = {
    ("chat", False): "chat.completion",
    ("chat", True): "chat.completion.chunk",
    ("completion", False): "text_completion",
    ("completion", True): "text_completion",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One complete answer."""

    text: str
    finish_reason: str


class Shape(Protocol):
    """How one of the two APIs looks."""

    def whole(self, choices: Mapping[int, Choice], usage: Usage) -> dict[str, Any]: ...
    def opening(self, choice: int) -> dict[str, Any] | None: ...
    def piece(self, choice: int, text: str) -> dict[str, Any]: ...
    def ending(self, choice: int, finish_reason: str) -> dict[str, Any]: ...
    def usage(self, usage: Usage) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every document of one answer has in common."""

    kind: Literal["chat", "completion"]
    id: str
    created: int
    model: str
    fingerprint: str
    with_usage: bool = False
    """Streams that were asked for usage carry ``usage: null`` in every chunk but the last."""

    def document(self, choices: list[dict[str, Any]], *, chunk: Literal["chunk", "whole"]) -> dict[str, Any]:
        """The frame around choices."""
        document: dict[str, Any] = {
            "id": self.id,
            "object": OBJECTS[self.kind, chunk == "chunk"],
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }
        if chunk == "chunk" and self.with_usage:
            document["usage"] = None
        return document


class ChatShape:
    """``/v1/chat/completions``."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def whole(self, choices: Mapping[int, Choice], usage: Usage) -> dict[str, Any]:
        """The unstreamed answer."""
        listed = [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text, "refusal": None},
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in sorted(choices.items())
        ]
        return self._envelope.document(listed, chunk="whole") | {"usage": _usage(usage)}

    def opening(self, choice: int) -> dict[str, Any] | None:
        """The first chunk of a choice names the role."""
        return self._chunk(choice, {"role": "assistant", "content": "", "refusal": None}, None)

    def piece(self, choice: int, text: str) -> dict[str, Any]:
        """More text."""
        return self._chunk(choice, {"content": text}, None)

    def ending(self, choice: int, finish_reason: str) -> dict[str, Any]:
        """The last chunk of a choice."""
        return self._chunk(choice, {}, finish_reason)

    def usage(self, usage: Usage) -> dict[str, Any]:
        """The last chunk of a stream that was asked for usage."""
        return self._envelope.document([], chunk="chunk") | {"usage": _usage(usage)}

    def _chunk(self, choice: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        part = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._envelope.document([part], chunk="chunk")


class CompletionShape:
    """``/v1/completions``; ``echo`` puts each choice's prompt in front of its text."""

    def __init__(self, envelope: Envelope, *, echoes: Mapping[int, str]) -> None:
        self._envelope = envelope
        self._echoes = echoes

    def whole(self, choices: Mapping[int, Choice], usage: Usage) -> dict[str, Any]:
        """The unstreamed answer."""
        listed = [
            self._part(index, self._echoes.get(index, "") + choice.text, choice.finish_reason)
            for index, choice in sorted(choices.items())
        ]
        return self._envelope.document(listed, chunk="whole") | {"usage": _usage(usage)}

    def opening(self, choice: int) -> dict[str, Any] | None:
        """The prompt, where it was asked for."""
        echo = self._echoes.get(choice, "")
        return self.piece(choice, echo) if echo else None

    def piece(self, choice: int, text: str) -> dict[str, Any]:
        """More text."""
        return self._envelope.document([self._part(choice, text, None)], chunk="chunk")

    def ending(self, choice: int, finish_reason: str) -> dict[str, Any]:
        """The last chunk of a choice."""
        return self._envelope.document([self._part(choice, "", finish_reason)], chunk="chunk")

    def usage(self, usage: Usage) -> dict[str, Any]:
        """The last chunk of a stream that was asked for usage."""
        return self._envelope.document([], chunk="chunk") | {"usage": _usage(usage)}

    @staticmethod
    def _part(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def model_document(model: str, *, created: int) -> dict[str, Any]:
    """One entry of ``/v1/models``."""
    return {"id": model, "object": "model", "created": created, "owned_by": "hostler"}


def usage_of(works: Sequence[Work]) -> dict[str, int]:
    """Usage of answers that are no generated text."""
    tokens = sum(work.input_tokens for work in works)
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
