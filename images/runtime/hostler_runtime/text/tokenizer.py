"""A byte-level BPE tokenizer trained on the job's own text, or the one that belongs to a base model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure

DOCUMENT_BORDER = "<|endoftext|>"
"""Before, between and after documents: begins and ends a text."""
PADDING = "<|pad|>"
SPECIAL_TOKENS = (DOCUMENT_BORDER, PADDING)

CONTINUATION_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}"
    "{% endfor %}"
)
"""A model that was only pre-trained has never seen a role; it goes on with the text of the conversation."""

Newlines = Literal["merged", "alone"]
"""Whether a line end may become one token with the white space after it. ``alone`` lets a prompt that ends in a line
end be tokenized like the beginning of a longer text, which programs need."""

_MOST_TRAINING_CHARACTERS = 64 << 20
_PIECE = 1 << 18
_TOGETHER = 256
"""Documents that the library encodes in one call."""


def train_tokenizer(
    texts: Iterable[str],
    *,
    vocabulary_size: int,
    context_length: int,
    special_tokens: Sequence[str] = (),
    newlines: Newlines = "merged",
    chat_template: str = CONTINUATION_TEMPLATE,
) -> PreTrainedTokenizerFast:
    """Learn merges from ``texts``. The result may have fewer tokens than asked for when the text is small."""
    special = [*SPECIAL_TOKENS, *special_tokens]
    if vocabulary_size < 256 + len(special):
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"vocabularySize is {vocabulary_size}; a byte-level tokenizer needs at least {256 + len(special)}",
        )
    tokenizer = Tokenizer(models.BPE())
    bytes_of_words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    lines = pre_tokenizers.Split(Regex(r"\n"), "isolated")
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([lines, bytes_of_words]) if newlines == "alone" else bytes_of_words
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_at_most(pieces(texts), _MOST_TRAINING_CHARACTERS), trainer=trainer)
    # A text that is to be continued begins as documents did in training.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{DOCUMENT_BORDER} $A",
        special_tokens=[(DOCUMENT_BORDER, tokenizer.token_to_id(DOCUMENT_BORDER))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=DOCUMENT_BORDER,
        eos_token=DOCUMENT_BORDER,
        pad_token=PADDING,
        additional_special_tokens=list(special_tokens),
        padding_side="left",  # what generation in batches needs
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
        chat_template=chat_template,
    )


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """A tokenizer that this or an earlier job saved: from the disk alone, without code of the directory."""
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(
        directory, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def borders(tokenizer: Any) -> tuple[int, int]:
    """Tokens before and after a document. Raises ``RuntimeFailure`` where a tokenizer of elsewhere has none."""
    end = tokenizer.eos_token_id
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else end
    if end is None or begin is None:
        raise RuntimeFailure(
            ErrorReason.ARTIFACT_UNREADABLE,
            "the base model's tokenizer names no end-of-text token (eos_token in tokenizer_config.json), "
            "so that documents cannot be told apart",
        )
    return int(begin), int(end)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text, without any around it. Special tokens that stand in it as text stay text."""
    return next(encode_texts(tokenizer, [text]))


def encode_texts(tokenizer: Any, texts: Iterable[str]) -> Iterator[list[int]]:
    """Tokens of each text, without any around it. Special tokens that stand in a text as text stay text: data must not
    be able to forge a border."""
    waiting = iter(texts)
    while batch := list(islice(waiting, _TOGETHER)):
        cut = [list(pieces([text])) for text in batch]
        with _as_text(tokenizer) as backend:
            encoded = iter(backend.encode_batch([piece for one in cut for piece in one], add_special_tokens=False))
        for one in cut:
            yield [token for _ in one for token in next(encoded).ids]


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


@contextmanager
def _as_text(tokenizer: Any) -> Iterator[Any]:
    backend = tokenizer.backend_tokenizer
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        yield backend
    finally:
        backend.encode_special_tokens = before


def _at_most(texts: Iterable[str], characters: int) -> Iterator[str]:
    for text in texts:
        if characters <= 0:
            return
        yield text[:characters]
        characters -= len(text)
