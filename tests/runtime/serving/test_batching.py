"""Real decoders: an answer must not depend on who else is in the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from runtime.serving import tiny_model
from torch import Tensor

from hostler_runtime.protocols.serving import Prompt, Sampling, UnservableError
from hostler_runtime.text.decoding import BatchedDecoder
from hostler_runtime.text.language import check_padding

STEPS = 24
GREEDY = Sampling(seed=0, temperature=0.0)
PROMPTS = [[(7 * row + 13 * column) % 390 + 1 for column in range(length)] for row, length in enumerate(
    (1, 2, 3, 5, 8, 13, 21, 34)
)]  # fmt: skip


class RightPadded(BatchedDecoder):
    """The control: what a server gets that pads on the other side."""

    def _left_padded(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        width = max(map(len, prompts))
        tokens = torch.tensor([list(one) + [0] * (width - len(one)) for one in prompts])
        mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in prompts])
        return tokens, mask


class Unpositioned(BatchedDecoder):
    """The control: left padding, but positions counted from the first column."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._takes_positions = False


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest) -> Any:
    """Learned positions and rotary positions."""
    make: Callable[[int], Any] = {"gpt2": tiny_model.make_model, "llama": tiny_model.make_llama}[request.param]
    return make(400).eval().requires_grad_(False)


def together(decoder: BatchedDecoder, *, sampling: Sampling = GREEDY) -> list[list[int]]:
    """All prompts in one batch."""
    tokens = decoder.add([Prompt(key, tuple(one), sampling) for key, one in enumerate(PROMPTS)])
    answers = [[tokens[key]] for key in range(len(PROMPTS))]
    for _ in range(STEPS - 1):
        for key, token in decoder.step().items():
            answers[key].append(token)
    return answers


def alone(model: Any, *, sampling: Sampling = GREEDY) -> list[list[int]]:
    """Each prompt in a batch of its own."""
    answers = []
    for prompt in PROMPTS:
        decoder = BatchedDecoder(model)
        answer = list(decoder.add([Prompt(0, tuple(prompt), sampling)]).values())
        answers.append(answer + [decoder.step()[0] for _ in range(STEPS - 1)])
    return answers


def equal(left: list[list[int]], right: list[list[int]]) -> int:
    """How many answers agree."""
    return sum(one == other for one, other in zip(left, right, strict=True))


def test_alone_equals_the_library_s_own_generation(model: Any) -> None:
    for prompt, answer in zip(PROMPTS, alone(model), strict=True):
        whole = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones((1, len(prompt)), dtype=torch.long),
            do_sample=False, max_new_tokens=STEPS, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert whole[0, len(prompt) :].tolist() == answer


def test_a_batch_of_eight_equals_eight_single_requests(model: Any) -> None:
    assert equal(together(BatchedDecoder(model)), alone(model)) == len(PROMPTS)


def test_right_padding_would_be_silently_wrong(model: Any) -> None:
    assert equal(together(RightPadded(model)), alone(model)) < len(PROMPTS)


def test_without_positions_learned_embeddings_would_be_silently_wrong() -> None:
    gpt2 = tiny_model.make_model(400).eval()
    assert equal(together(Unpositioned(gpt2)), alone(gpt2)) < len(PROMPTS)


def test_joining_and_leaving_changes_nothing(model: Any) -> None:
    """A new member every other step, each leaving after its own number of tokens."""
    want = alone(model)
    lengths = [STEPS - 2 * key for key in range(len(PROMPTS))]
    decoder = BatchedDecoder(model)
    answers: list[list[int]] = [[] for _ in PROMPTS]
    entering = list(range(len(PROMPTS)))
    running: set[int] = set()
    for moment in range(100):
        tokens: dict[int, int] = {}
        if entering and moment % 2 == 0:
            key = entering.pop()
            running.add(key)
            tokens = decoder.add([Prompt(key, tuple(PROMPTS[key]), GREEDY)])
        elif running:
            tokens = decoder.step()
        for key, token in tokens.items():
            answers[key].append(token)
        leaving = {key for key in running if len(answers[key]) >= lengths[key]}
        decoder.remove(leaving)
        running -= leaving
    assert not running
    assert answers == [one[:length] for one, length in zip(want, lengths, strict=True)]


def test_a_seed_repeats_a_sampled_answer_whoever_else_is_there(model: Any) -> None:
    sampling = Sampling(seed=5, temperature=0.9, top_p=0.9)
    first = alone(model, sampling=sampling)
    assert equal(first, together(BatchedDecoder(model), sampling=sampling)) == len(PROMPTS)
    assert equal(first, alone(model, sampling=Sampling(seed=6, temperature=0.9, top_p=0.9))) < len(PROMPTS)


def test_top_p_keeps_only_the_likeliest_tokens(model: Any) -> None:
    """With next to no probability mass left, sampling is greedy."""
    assert alone(model, sampling=Sampling(seed=1, temperature=2.0, top_p=0.0)) == alone(model)
    assert alone(model, sampling=Sampling(seed=1, temperature=2.0, top_p=1.0)) != alone(model)


def test_the_check_at_start_passes_a_sound_architecture_and_refuses_one_that_ignores_padding() -> None:
    gpt2 = tiny_model.make_model(400).eval()
    check_padding(gpt2)
    forward = gpt2.forward

    def ignoring(input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, **rest: Any) -> Any:
        return forward(input_ids=input_ids, **rest)

    gpt2.forward = ignoring
    with pytest.raises(UnservableError, match="padded batch"):
        check_padding(gpt2)


def test_damaged_weights_do_not_pass_as_an_answer() -> None:
    gpt2 = tiny_model.make_model(400).eval()
    with torch.no_grad():
        gpt2.transformer.h[0].mlp.c_fc.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="NaN"):
        BatchedDecoder(gpt2).add([Prompt(0, (1, 2), GREEDY)])
