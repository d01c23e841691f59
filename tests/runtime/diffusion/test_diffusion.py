"""What the latent diffusion families share, on networks whose answers are known."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from hostler_contract.architectures.diffusion import TextEncoderConfig
from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.diffusion.losses import UNCONDITIONAL, contrastive_loss, denoising_loss, with_noise_levels
from hostler_runtime.diffusion.prompts import fresh_text_encoder, load_text_encoder, tokenizer_digest
from hostler_runtime.diffusion.sampling import denoised, first_noise
from hostler_runtime.protocols.serving import UnservableError
from hostler_runtime.text.captions import train_tokenizer

TEXT = TextEncoderConfig.model_validate({"layers": 1, "hiddenSize": 8, "heads": 2, "contextLength": 8})
SURE = 100.0
EMPTY = torch.tensor([9, 9])
"""Tokens of no caption."""


@pytest.mark.parametrize(
    ("captions", "logits", "by_row"),
    [
        pytest.param([1, 2, 3], torch.eye(3) * SURE, 0.0, id="who is sure and right loses nothing"),
        pytest.param([1, 2, 3], torch.zeros(3, 3), math.log(3), id="who knows nothing picks one of three"),
        pytest.param([1, 2, 3], torch.eye(3).roll(1, 0) * SURE, SURE, id="who is sure and wrong loses all"),
        pytest.param([1, 1], torch.zeros(2, 2), math.log(2), id="rows of one caption share it"),
        pytest.param([1, 1], torch.eye(2) * 2, math.log1p(math.exp(-2)) + 1, id="and to prefer one's own is wrong"),
    ],
)
def test_contrastive_loss_is_the_cross_entropy_of_both_ways(
    captions: list[int], logits: torch.Tensor, by_row: float
) -> None:
    tokens = torch.tensor(captions)[:, None].expand(-1, 2)
    loss = contrastive_loss(logits, tokens)
    assert loss.weight == len(captions)
    assert float(loss.total) / loss.weight == pytest.approx(by_row, abs=1e-5)


def test_the_two_ways_of_the_contrastive_loss_count_alike() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    tokens = torch.arange(4)[:, None]
    truth = torch.arange(4)
    there, back = (torch.nn.functional.cross_entropy(each, truth, reduction="sum") for each in (logits, logits.T))
    assert float(there) != pytest.approx(float(back), rel=1e-3), "otherwise one of them alone would pass"
    assert float(contrastive_loss(logits, tokens).total) == pytest.approx(float(there + back) / 2)


@pytest.mark.parametrize("count", [5, 64, 1000])
def test_held_out_rows_have_all_levels_of_noise_each_always_its_own(count: int) -> None:
    levels = with_noise_levels({}, range(count))["noise_level"]
    assert levels[:2].tolist() == pytest.approx([0.5, 0.1180340]), "measured figures hang on them"
    edges = torch.cat([torch.zeros(1), levels.sort().values, torch.ones(1)])
    assert float(edges.diff().max()) < 3 / count
    other = with_noise_levels({}, [count - 1, 3])["noise_level"]
    assert other.tolist() == [float(levels[count - 1]), float(levels[3])]


class Denoiser:
    """Knows the latents and what is asked for: is right but for ``error``."""

    def __init__(self, latents: torch.Tensor, scheduler: DDIMScheduler, *, error: float) -> None:
        self.latents, self.scheduler, self.error = latents, scheduler, error
        self.moments: list[torch.Tensor] = []

    def __call__(self, noisy: torch.Tensor, moments: torch.Tensor, *, encoder_hidden_states: torch.Tensor) -> Any:
        """The noise, or the velocity, that is in the noisy latents."""
        self.moments.append(moments)
        kept = self.scheduler.alphas_cumprod[moments].view(-1, *[1] * (noisy.dim() - 1))
        noise = (noisy - kept.sqrt() * self.latents) / (1 - kept).sqrt()
        velocity = kept.sqrt() * noise - (1 - kept).sqrt() * self.latents
        right = noise if self.scheduler.config.prediction_type == "epsilon" else velocity
        return SimpleNamespace(sample=right + self.error)


def denoising(count: int, *, kind: str, shape: tuple[int, ...], error: float, held_out: bool) -> SimpleNamespace:
    """The loss of a denoiser on so many rows, the tokens that it was given, and the times that it was asked about."""
    scheduler = DDIMScheduler(prediction_type=kind)
    latents = torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))
    given: list[torch.Tensor] = []

    def read(tokens: torch.Tensor) -> Condition:
        given.append(tokens)
        return Condition(tokens.float())

    batch: Any = {"tokens": torch.arange(2 * count).view(count, 2) + 10}
    unet = Denoiser(latents, scheduler, error=error)
    torch.manual_seed(2)
    loss = denoising_loss(
        unet,
        with_noise_levels(batch, range(count)) if held_out else batch,
        scheduler=scheduler,
        empty=EMPTY,
        encode=lambda _: latents,
        read=read,
    )
    return SimpleNamespace(
        mean=float(loss.total) / loss.weight, weight=loss.weight, tokens=given[0], moments=unet.moments[0]
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("shape", [pytest.param((2, 4, 4), id="an image"), pytest.param((2, 3, 4, 4), id="a clip")])
@pytest.mark.parametrize("error", [0.0, 0.5])
def test_the_denoising_loss_is_the_mean_square_of_what_the_denoiser_gets_wrong(
    kind: str, shape: tuple[int, ...], error: float
) -> None:
    found = denoising(6, kind=kind, shape=shape, error=error, held_out=True)
    assert found.mean == pytest.approx(error**2, abs=1e-3)
    assert found.weight == 6


def test_in_training_one_caption_in_ten_is_left_out_and_times_are_drawn() -> None:
    found = denoising(2000, kind="epsilon", shape=(1, 1, 1), error=0.0, held_out=False)
    left_out = (found.tokens == EMPTY).all(dim=1)
    assert float(left_out.float().mean()) == pytest.approx(UNCONDITIONAL, abs=0.02)
    assert torch.equal(found.tokens[~left_out], torch.arange(10, 4010).view(2000, 2)[~left_out])
    assert set(found.moments.tolist()) <= set(range(1000))
    assert len(set(found.moments.tolist())) > 800


def test_held_out_rows_keep_their_captions_and_their_times() -> None:
    found = denoising(200, kind="epsilon", shape=(1, 1, 1), error=0.0, held_out=True)
    assert torch.equal(found.tokens, torch.arange(10, 410).view(200, 2))
    levels = with_noise_levels({}, range(200))["noise_level"]
    assert torch.equal(found.moments, (levels * 1000).long())


def said(noisy: torch.Tensor, moments: torch.Tensor, *, encoder_hidden_states: torch.Tensor) -> Any:
    """A denoiser that sees in the noise what the prompt says."""
    return SimpleNamespace(sample=encoder_hidden_states.view(-1, 1, 1, 1).expand_as(noisy))


def drawn(towards: float, against: float | None, *, guidance: float) -> torch.Tensor:
    """The latents of one prompt."""
    return denoised(
        said,
        DDIMScheduler(clip_sample=False),
        noise=first_noise([3], (1, 2, 2)),
        towards=Condition(torch.tensor([towards])),
        against=None if against is None else Condition(torch.tensor([against])),
        steps=4,
        guidance=guidance,
    )


@pytest.mark.parametrize(
    ("guidance", "alone"),
    [
        pytest.param(1.0, 0.3, id="one takes the prompt's own prediction"),
        pytest.param(0.0, -0.2, id="none takes that of the other prompt"),
        pytest.param(3.0, 1.3, id="more exaggerates the difference"),
    ],
)
def test_guidance_leads_away_from_the_other_prompt(guidance: float, alone: float) -> None:
    assert torch.allclose(drawn(0.3, -0.2, guidance=guidance), drawn(alone, None, guidance=guidance), atol=1e-5)


def test_each_row_begins_at_the_noise_of_its_own_seed() -> None:
    beside = first_noise([5, 6], (2, 3, 3))
    assert torch.equal(beside[1], first_noise([6], (2, 3, 3))[0])
    assert not torch.equal(beside[0], beside[1])


def write_text_encoder(directory: Path, captions: list[str], *, seed: int) -> Path:
    """A text encoder and its tokenizer, with nothing beside them."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(captions, vocabulary_size=300, context_length=8)
    fresh_text_encoder(TEXT, tokenizer).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def as_pipeline(alone: Path, directory: Path) -> Path:
    """The same as a pipeline has it."""
    shutil.copytree(alone, directory / "tokenizer", ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    shutil.copytree(alone, directory / "text_encoder", ignore=shutil.ignore_patterns("tokenizer*"))
    return directory


def test_a_text_encoder_is_read_from_a_pipeline_or_alone(tmp_path: Path) -> None:
    alone = write_text_encoder(tmp_path / "alone", ["a red dog"], seed=0)
    for path in (alone, as_pipeline(alone, tmp_path / "pipeline")):
        encoder, tokenizer = load_text_encoder(path)
        assert encoder.config.hidden_size == 8
        assert tokenizer.model_max_length == 8
        assert tokenizer.decode(tokenizer("a red dog")["input_ids"], skip_special_tokens=True).strip() == "a red dog"


def test_captions_are_read_anew_only_where_the_tokenizer_is_another(tmp_path: Path) -> None:
    alone = write_text_encoder(tmp_path / "alone", ["a red dog"], seed=0)
    weights = write_text_encoder(tmp_path / "weights", ["a red dog"], seed=1)
    words = write_text_encoder(tmp_path / "words", ["nine blue cats"], seed=0)
    pipeline = as_pipeline(alone, tmp_path / "pipeline")

    same = tokenizer_digest(alone)
    assert tokenizer_digest(weights) == tokenizer_digest(pipeline) == same
    assert tokenizer_digest(words) != same


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda path: shutil.rmtree(path / "tokenizer"), "has no tokenizer", id="no tokenizer"),
        pytest.param(
            lambda path: train_tokenizer(["x y z"], vocabulary_size=900, context_length=8).save_pretrained(
                path / "tokenizer"
            ),
            "not a pair",
            id="more tokens than the encoder knows",
        ),
    ],
)
def test_a_text_encoder_without_its_tokenizer_is_refused(
    damage: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    pipeline = as_pipeline(write_text_encoder(tmp_path / "alone", ["a"], seed=0), tmp_path / "pipeline")
    damage(pipeline)
    with pytest.raises(UnservableError, match=sentence):
        load_text_encoder(pipeline)
