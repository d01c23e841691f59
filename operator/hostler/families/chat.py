"""Decoder-only language models that answer conversations."""

from __future__ import annotations

from hostler.families.family import Availability, Shape
from hostler_contract import SampleRequest

_BYTES_PER_PARAMETER = 16
"""fp32 weights and gradients, and the two moments of AdamW: 4 + 4 + 8."""


class Chat:
    """GPT-2's architecture: learned positions, biases, tied input and output embeddings."""

    name = "chat"
    task = "text-generation"
    apis = ("/v1/chat/completions", "/v1/completions", "/v1/models")
    training = Availability(available=True)
    serving = Availability(available=True)

    def parameters(self, shape: Shape) -> int:
        """Embeddings, blocks (attention 4h2+4h, MLP 8h2+5h, two norms 4h) and the final norm."""
        h = shape.hidden_size
        embeddings = (shape.vocabulary_size + shape.context_length) * h
        return embeddings + shape.layers * (12 * h * h + 13 * h) + 2 * h

    def training_flops_per_token(self, shape: Shape) -> float:
        """6N for the matrix products and 12*L*H*S for attention (PaLM, arXiv 2204.02311, appendix B).

        Position embeddings are looked up, not multiplied, so they do not count in N; the token embedding does,
        because it is the output matrix too.
        """
        multiplied = self.parameters(shape) - shape.context_length * shape.hidden_size
        attention = 12 * shape.layers * shape.hidden_size * shape.context_length
        return float(6 * multiplied + attention)

    def training_bytes(self, shape: Shape) -> int:
        """What every process holds, because the training loop replicates the model."""
        return self.parameters(shape) * _BYTES_PER_PARAMETER

    def kv_bytes_per_token(self, shape: Shape, *, bytes_per_value: int) -> int:
        """One key and one value vector in every layer."""
        return 2 * shape.layers * shape.hidden_size * bytes_per_value

    def sample_request(self) -> SampleRequest:
        """The shortest conversation; the server puts its own model id in."""
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}
        return SampleRequest(path="/v1/chat/completions", body=body)
