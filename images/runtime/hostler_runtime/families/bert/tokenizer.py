"""WordPiece (arXiv 1609.08144), trained on the job's own text, and sequences as an encoder expects them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, PreTrainedTokenizerFast

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MOST_TRAINING_CHARACTERS = 64 << 20
_MOST_LETTERS = 1000
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Window:
    """A question with a stretch of its context, as one sequence."""

    tokens: list[int]
    second: int
    """Index of the context's first token."""
    asked: int
    """Tokens of the question that the sequence has."""
    characters: list[tuple[int, int]]
    """First character and the one after the last of each token of the stretch, in the context."""


def train_tokenizer(texts: Iterable[str], *, vocabulary_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """Learn pieces of words from ``texts``, which are read twice; small ones give fewer than asked for."""
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = normalizers.BertNormalizer(lowercase=True)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        # The library numbers inner letters in the random order of its hash table, and breaks ties by number; what has
        # a number already keeps it, so that the same texts always give the same vocabulary.
        special_tokens=[*SPECIAL_TOKENS, *_inner_letters(_at_most(texts, _MOST_TRAINING_CHARACTERS), learner)],
        limit_alphabet=_MOST_LETTERS,
        show_progress=False,
    )
    learner.train_from_iterator(_at_most(texts, _MOST_TRAINING_CHARACTERS), trainer=trainer)
    tokenizer: PreTrainedTokenizerFast = BertTokenizer(
        vocab=learner.get_vocab(), do_lower_case=True, model_max_length=context_length
    )
    return tokenizer


def _inner_letters(texts: Iterable[str], learner: Tokenizer) -> list[str]:
    """What stands within words, as tokens."""
    counts: Counter[str] = Counter()
    for text in texts:
        for word, _ in learner.pre_tokenizer.pre_tokenize_str(learner.normalizer.normalize_str(text)):
            counts.update(word[1:])
    return [f"##{letter}" for letter, _ in sorted(counts.most_common(_MOST_LETTERS))]


class SequenceMaker:
    """Turns texts into sequences ``[CLS] text [SEP]`` and ``[CLS] question [SEP] context [SEP]``, with as many tokens
    between the two as the vocabulary's own pairs have. Safe to share between threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, context_length: int) -> None:
        self._marked = _whole(tokenizer)
        # Special tokens that stand in a text as text stay text: data must not be able to forge a border.
        self._verbatim = _whole(tokenizer)
        self._verbatim.encode_special_tokens = True
        self.context_length = context_length
        self.first, self.last = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
        self.padding = int(tokenizer.pad_token_id)
        self._between = [self.last] * _separators(self._marked, self.last)

    def tokens(self, text: str) -> list[int]:
        """A text's tokens alone, all of them."""
        found: list[int] = []
        for piece in pieces(text):
            found.extend(self._verbatim.encode(piece, add_special_tokens=False).ids)
        return found

    def marked_tokens(self, text: str) -> list[int]:
        """Tokens of a text in which special tokens mean what they are: ``[MASK]`` hides a word."""
        found: list[int] = self._marked.encode(text, add_special_tokens=False).ids
        return found

    def sequence(self, tokens: Sequence[int]) -> list[int]:
        """Tokens with what begins and ends a sequence."""
        return [self.first, *tokens, self.last]

    def chunks(self, text: str) -> Iterator[list[int]]:
        """The whole of a text as sequences that fit, none longer than necessary."""
        tokens = self.tokens(text)
        room = self.context_length - 2
        for start in range(0, len(tokens), room):
            yield self.sequence(tokens[start : start + room])

    def windows(self, question: str, context: str) -> list[Window]:
        """The question beside each stretch of the context; stretches overlap by half, and a question takes at most
        half of a sequence."""
        asked = self.tokens(question)[: self.context_length // 2 - 1 - len(self._between)]
        encoded = self._verbatim.encode(context, add_special_tokens=False)
        head = [self.first, *asked, *self._between]
        room = self.context_length - len(head) - 1
        start = 0
        found = []
        while True:
            stretch = slice(start, start + room)
            tokens = [*head, *encoded.ids[stretch], self.last]
            found.append(Window(tokens, len(head), len(asked), encoded.offsets[stretch]))
            if start + room >= len(encoded.ids):
                return found
            start += max(1, room // 2)


def _whole(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A copy that neither cuts nor pads, which published vocabularies may ask for."""
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _separators(tokenizer: Tokenizer, last: int) -> int:
    """How many tokens stand between the two texts of a pair: BERT has one, RoBERTa two."""
    pair: list[int] = tokenizer.encode("a", "b").ids
    if last not in pair[:-1]:
        return 1
    start = pair.index(last)
    return next(number for number, token in enumerate([*pair[start:], -1]) if token != last)


def pieces(text: str, *, size: int = _PIECE) -> Iterator[str]:
    """A text cut at line ends, so that no single call sees gigabytes."""
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
        yield from pieces(text[:characters])
        characters -= len(text)
