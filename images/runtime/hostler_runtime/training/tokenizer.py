"""A byte-level BPE tokenizer trained on the job's own text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure

DOCUMENT_BORDER = "<|endoftext|>"
"""Before, between and after documents: begins and ends a text."""
PADDING = "<|pad|>"
SPECIAL_TOKENS = (DOCUMENT_BORDER, PADDING)
SMALLEST_VOCABULARY = 256 + len(SPECIAL_TOKENS)
"""Every byte is a token, so that every text can be written."""

CONTINUATION_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}"
    "{% endfor %}"
)
"""A model that was only pre-trained has never seen a role; it goes on with the text of the conversation."""

_MOST_TRAINING_CHARACTERS = 64 << 20
_PIECE = 1 << 18


def train_tokenizer(texts: Sequence[str], *, vocabulary_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """Learn merges from ``texts``. The result may have fewer tokens than asked for when the text is small."""
    if vocabulary_size < SMALLEST_VOCABULARY:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"vocabularySize is {vocabulary_size}; a byte-level tokenizer needs at least {SMALLEST_VOCABULARY}",
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_at_most(pieces(texts), _MOST_TRAINING_CHARACTERS), trainer=trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=DOCUMENT_BORDER,
        eos_token=DOCUMENT_BORDER,
        pad_token=PADDING,
        padding_side="left",  # what generation in batches needs
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
        chat_template=CONTINUATION_TEMPLATE,
    )


def encode_documents(tokenizer: PreTrainedTokenizerFast, documents: Iterable[str]) -> Iterator[list[int]]:
    """Tokens of the documents with a border before each and one after the last."""
    border = tokenizer.convert_tokens_to_ids(DOCUMENT_BORDER)
    backend = tokenizer.backend_tokenizer
    # Special tokens that stand in the data as text stay text: data must not be able to forge a border.
    backend.encode_special_tokens = True
    try:
        for document in documents:
            yield [border]
            for piece in pieces([document]):
                yield backend.encode(piece, add_special_tokens=False).ids
        yield [border]
    finally:
        backend.encode_special_tokens = False


def pieces(texts: Iterable[str], *, size: int = _PIECE) -> Iterator[str]:
    """Texts cut at line ends, so that no single call sees gigabytes."""
    for text in texts:
        start = 0
        while start < len(text):
            end = min(len(text), start + size)
            if end < len(text):
                end = text.rfind("\n", start, end) + 1 or end
            yield text[start:end]
            start = end


def _at_most(texts: Iterable[str], characters: int) -> Iterator[str]:
    for text in texts:
        if characters <= 0:
            return
        yield text[:characters]
        characters -= len(text)
