"""Decoder-only language models that answer conversations."""

from __future__ import annotations

from hostler.families.decoders import Decoder
from hostler.families.names import FamilyName
from hostler_contract import SampleRequest


class Chat(Decoder):
    """A decoder with a chat template."""

    name = FamilyName.CHAT
    task = "text-generation"
    apis = ("/v1/chat/completions", "/v1/completions", "/v1/models")
    formats = ("text", "jsonl", "csv", "parquet", "webdataset")

    def apis_of(
        self, task: str | None, *, chat_template: bool | None = None, translates: bool | None = None
    ) -> tuple[str, ...]:
        """Without a template a model only continues texts."""
        return self.apis if chat_template is not False else self.apis[1:]

    def sample_request(self) -> SampleRequest:
        """The shortest conversation."""
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}
        return SampleRequest(path="/v1/chat/completions", body=body, expect="usage.completion_tokens")
