"""Decoder-only language models that write programs, also between two given pieces."""

from __future__ import annotations

from hostler.families.decoders import Decoder
from hostler.families.names import FamilyName
from hostler_contract import SampleRequest


class Code(Decoder):
    """A decoder that was trained to fill in the middle (arXiv 2207.14255)."""

    name = FamilyName.CODE
    task = "text-generation"
    apis = ("/v1/completions", "/v1/models")
    formats = ("text", "jsonl", "csv", "parquet", "webdataset")

    def sample_request(self) -> SampleRequest:
        """The beginning of a function. Without a suffix, because a fine-tuned base may know none."""
        body = {"prompt": "def add(a, b):\n", "max_tokens": 4, "temperature": 0}
        return SampleRequest(path="/v1/completions", body=body, expect="usage.completion_tokens")
