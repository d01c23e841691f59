"""RoBERTa and ModernBERT as they are published: served, and tuned with every head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families.encoders import encoder_job, train, write_rows
from runtime.packing.architectures import encoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerFast

from hostler_runtime.families.bert.serving import load
from hostler_runtime.families.bert.tokenizer import SequenceMaker
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import ClassifyRequest, EmbeddingRequest, FillMaskRequest, QuestionRequest

CONTEXT = 40
TEXTS = [f"{name} lives in the {place} house" for name in ("anna", "bert", "carla") for place in ("old", "new", "red")]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
ROWS: dict[str, list[dict[str, Any]]] = {
    "masked-lm": [{"text": text} for text in TEXTS],
    "classification": [{"text": text, "label": text.split()[0]} for text in TEXTS],
    "question-answering": [
        {"question": "who?", "context": text, "answer": text.split()[0]} for text in TEXTS
    ],
}  # fmt: skip
ASKED = {
    "masked-lm": FillMaskRequest("anna lives in the <mask> house"),
    "classification": ClassifyRequest("anna lives in the old house"),
    "question-answering": QuestionRequest("who?", " ".join(TEXTS)),
}


def byte_pairs(*, separators: int) -> PreTrainedTokenizerFast:
    """Pieces of bytes, with so many tokens between the two texts of a pair."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(TEXTS, trainer=trainer)
    learner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair=f"<s> $A {'</s> ' * separators}$B </s>",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=learner, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", cls_token="<s>",
        sep_token="</s>",
    )  # fmt: skip


def published(directory: Path, name: str) -> Path:
    """A checkpoint of this architecture with the head for hidden words."""
    tokenizer = byte_pairs(separators=2 if "roberta" in name else 1)
    model = encoder(name, "masked-lm", vocabulary=len(tokenizer), context=CONTEXT)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


NAMES = pytest.mark.parametrize("name", ["roberta", "xlm-roberta", "modernbert"])


@NAMES
@torch.no_grad()
def test_it_is_served_as_the_library_reads_it(tmp_path: Path, name: str) -> None:
    directory = published(tmp_path / "base", name)
    tokenizer = byte_pairs(separators=1)
    model = load(directory, options=LoadOptions())

    vector, filled = model.run_batch([EmbeddingRequest(TEXTS[0]), FillMaskRequest(ASKED["masked-lm"].text)]).results

    hidden = AutoModel.from_pretrained(directory).eval()(**tokens(tokenizer, TEXTS[0])).last_hidden_state[0]
    np.testing.assert_allclose(vector.vector, (hidden.mean(0) / hidden.mean(0).norm()).numpy(), atol=1e-5)
    asked = tokens(tokenizer, ASKED["masked-lm"].text)
    logits = AutoModelForMaskedLM.from_pretrained(directory).eval()(**asked).logits[0]
    place = int((asked["input_ids"][0] == tokenizer.mask_token_id).nonzero())
    wanted = logits[place, : len(tokenizer)].softmax(-1)
    best = filled.candidates[0][0]
    assert (best.token, best.score) == (int(wanted.argmax()), pytest.approx(float(wanted.max()), abs=1e-5))


def tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> dict[str, torch.Tensor]:
    """A batch of one text."""
    return {"input_ids": torch.tensor([tokenizer(text)["input_ids"]])}


@NAMES
def test_it_reads_as_much_as_its_positions_allow(tmp_path: Path, name: str) -> None:
    model = load(published(tmp_path / "base", name), options=LoadOptions())

    longest = EmbeddingRequest(tokens=(5,) * (CONTEXT - 2), text=None)
    assert np.isfinite(model.run_batch([longest]).results[0].vector).all()
    with pytest.raises(PromptRejectedError, match=f"this model reads at most {CONTEXT}"):
        model.check(EmbeddingRequest(tokens=(5,) * (CONTEXT - 1), text=None))


@NAMES
@pytest.mark.parametrize("head", ROWS)
def test_it_is_tuned_and_served_with_every_head(tmp_path: Path, name: str, head: str) -> None:
    base = published(tmp_path / "base", name)
    sizes = {"layers": 4, "hiddenSize": 32, "heads": 4, "contextLength": CONTEXT, "vocabularySize": 320, "head": head}

    tuned = train(
        encoder_job(
            tmp_path,
            data=write_rows(tmp_path / "rows.jsonl", ROWS[head]),
            encoder=sizes,
            inputs={"base": str(base)},
            objective={"kind": "finetune"},
            hyperparameters={"steps": 2},
        )
    )

    assert tuned.result.dataset is not None
    assert (tuned.result.dataset.packing_factor or 0) > 1
    [answer] = load(tuned.model, options=LoadOptions()).run_batch([ASKED[head]]).results
    assert answer.candidates[0]


@pytest.mark.parametrize("separators", [1, 2])
def test_a_pair_has_as_many_tokens_between_its_texts_as_the_vocabulary_says(separators: int) -> None:
    tokenizer = byte_pairs(separators=separators)

    (window,) = SequenceMaker(tokenizer, context_length=CONTEXT).windows("who?", "anna lives")

    assert window.tokens == tokenizer("who?", "anna lives")["input_ids"]
    assert window.tokens[window.second : -1] == tokenizer("anna lives", add_special_tokens=False)["input_ids"]
