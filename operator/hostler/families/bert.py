"""Encoders of text: embeddings, hidden words, labels and answers."""

from __future__ import annotations

from types import MappingProxyType

from hostler.families.family import FROM_SCRATCH, Family
from hostler.families.names import FamilyName
from hostler_contract import ModelConfig, Objective, SampleRequest, Supervision
from hostler_contract.architectures import EncoderConfig, TransformerSizes

_TASKS = {
    "masked-lm": "fill-mask",
    "classification": "text-classification",
    "question-answering": "question-answering",
}
_ROUTES = {
    "fill-mask": ("/v1/fill-mask", "/v1/embeddings"),
    "text-classification": ("/v1/classify", "/v1/embeddings"),
    "question-answering": ("/v1/answers", "/v1/embeddings"),
}
_TOKEN_TYPES = 2


class Bert(Family):
    """BERT (arXiv 1810.04805): learned positions, post-norm, a head for its task."""

    name = FamilyName.BERT
    task = "feature-extraction"
    apis = ("/v1/embeddings", "/v1/fill-mask", "/v1/classify", "/v1/answers", "/v1/models")
    block = "encoder"
    formats = ("text", "jsonl", "csv", "parquet", "webdataset")
    objectives = FROM_SCRATCH | {Objective.DISTILL, Objective.PRUNE, Objective.QUANTIZE}
    lora = True
    heads = MappingProxyType(
        {
            "masked-lm": frozenset({Supervision.SELF_SUPERVISED}),
            "classification": frozenset({Supervision.SUPERVISED, Supervision.SEMI_SUPERVISED}),
            "question-answering": frozenset({Supervision.SUPERVISED}),
        }
    )
    supervisions = frozenset().union(*heads.values())
    shrinks = True
    packs = True
    learns_whole = True
    widened_on_cores = True

    def task_of(self, model: ModelConfig) -> str:
        """What the head is for."""
        return self.task if model.encoder is None else _TASKS[model.encoder.head]

    def apis_of(
        self, task: str | None, *, chat_template: bool | None = None, translates: bool | None = None
    ) -> tuple[str, ...]:
        """Every encoder gives embeddings, and what its head is for."""
        return (*_ROUTES.get(task or "", ("/v1/embeddings",)), "/v1/models")

    def head_of(self, task: str) -> str | None:
        """The head that has such a task."""
        return next((head for head, of in _TASKS.items() if of == task), None)

    def parameters(self, model: ModelConfig) -> int | None:
        """With the masked-lm head; how many labels a classifier has, only the data knows."""
        sizes = model.encoder
        if sizes is None or sizes.head == "classification":
            return None
        return _body(sizes) + _HEADS[sizes.head](sizes)

    def transformer_sizes(self, model: ModelConfig) -> TransformerSizes | None:
        """Only the masked-lm head multiplies with the embedding."""
        sizes = model.encoder
        if sizes is None:
            return None
        return TransformerSizes(
            layers=sizes.layers,
            hidden_size=sizes.hidden_size,
            heads=sizes.heads,
            kv_heads=sizes.heads,
            head_size=sizes.hidden_size // sizes.heads,
            intermediate_size=4 * sizes.hidden_size,
            experts=0,
            active_experts=0,
            gated=False,
            tied=sizes.head == "masked-lm",
            causal=False,
            learned_positions=sizes.context_length + _TOKEN_TYPES,
        )

    def training_flops(self, model: ModelConfig) -> float | None:
        """6N for the matrix products and 12*L*H*S for attention (PaLM, arXiv 2204.02311, appendix B)."""
        sizes = model.encoder
        if sizes is None or sizes.head != "masked-lm":
            return None
        looked_up = (sizes.context_length + _TOKEN_TYPES) * sizes.hidden_size
        multiplied = _body(sizes) + _masked_lm(sizes) - looked_up
        return float(6 * multiplied + 12 * sizes.layers * sizes.hidden_size * sizes.context_length)

    def sample_request(self) -> SampleRequest:
        """An embedding, which every encoder can give, whatever its head."""
        return SampleRequest(path="/v1/embeddings", body={"input": "Hello"}, expect="data.0.embedding")


def _body(sizes: EncoderConfig) -> int:
    """Embeddings with their norm, and blocks of attention 4h2+4h, MLP 8h2+5h and two norms 4h."""
    h = sizes.hidden_size
    embeddings = (sizes.vocabulary_size + sizes.context_length + _TOKEN_TYPES) * h + 2 * h
    return embeddings + sizes.layers * (12 * h * h + 13 * h)


def _masked_lm(sizes: EncoderConfig) -> int:
    """A dense layer, its norm, and a bias for each token; the output matrix is the embedding."""
    h = sizes.hidden_size
    return h * h + 3 * h + sizes.vocabulary_size


def _question_answering(sizes: EncoderConfig) -> int:
    """Two figures for each token: where the answer begins, where it ends."""
    return 2 * sizes.hidden_size + 2


_HEADS = {"masked-lm": _masked_lm, "question-answering": _question_answering}
