"""Two text encoders: what diffusers' own pipeline draws is drawn here, and what is tuned is such a pipeline again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from runtime.families.jobs import train
from runtime.families.painters import drawn, published_xl_checkpoint
from runtime.families.pictures import images_of
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from hostler_runtime.diffusion.sampling import first_noise
from hostler_runtime.families.text_to_image.serving import load
from hostler_runtime.protocols.serving import LoadOptions, UnservableError
from hostler_runtime.protocols.tasks import ImageRequest

pytestmark = pytest.mark.usefixtures("cheap_figures")
NOISY = 2
"""Levels of 255 by which rounding may differ."""


@pytest.fixture
def xl(tmp_path: Path) -> Path:
    """A published checkpoint."""
    words = tmp_path / "words"
    words.mkdir()
    return published_xl_checkpoint(tmp_path / "xl", words)


def of_diffusers(path: Path, *, prompt: str, negative: str | None, seed: int, **sizes: int) -> np.ndarray:
    """What the pipeline draws from the same noise with the same scheduler."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(path, local_files_only=True, add_watermarker=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    latents = first_noise([seed], (4, sizes.get("height", 16) // 2, sizes.get("width", 16) // 2))
    with torch.no_grad():
        images = pipeline(
            prompt=prompt, negative_prompt=negative, latents=latents, num_inference_steps=4, guidance_scale=5.0,
            output_type="np", **sizes,
        ).images  # fmt: skip
    return np.asarray(images[0] * 255)


@pytest.mark.parametrize(
    ("negative", "sizes"),
    [
        pytest.param(None, {}, id="nothing to lead away from is a condition of zeros"),
        pytest.param("blue", {}, id="a negative prompt"),
        pytest.param(None, {"height": 32, "width": 16}, id="a size of its own, which the network is told"),
    ],
)
def test_draws_what_the_pipeline_of_diffusers_draws(xl: Path, negative: str | None, sizes: dict[str, int]) -> None:
    asked: dict[str, Any] = {"negative_prompt": negative} if negative else {}
    model = load(xl, options=LoadOptions())
    assert model.batch_key(ImageRequest("a", 1)).guidance == 5.0  # type: ignore[attr-defined]

    (image,) = drawn(model, [ImageRequest("a red dog", 3, steps=4, **sizes, **asked)])

    wanted = of_diffusers(xl, prompt="a red dog", negative=negative, seed=3, **sizes)
    assert np.abs(image.astype(float) - wanted).max() <= NOISY
    other = of_diffusers(xl, prompt="some cat", negative=negative, seed=3, **sizes)
    assert np.abs(image.astype(float) - other).max() > NOISY, "the prompt has to matter, or nothing is shown"


def test_an_adapter_is_tuned_and_what_comes_out_is_such_a_pipeline(xl: Path, few: Path, tmp_path: Path) -> None:
    outcome = train(
        tmp_path / "job", family="text-to-image", dataset=images_of(few), model={}, inputs={"base": str(xl)},
        objective={"kind": "finetune"}, lora={"rank": 2, "alpha": 4},
        hyperparameters={"steps": 30, "batchSize": 8, "learningRate": 1e-3},
    )  # fmt: skip

    comparison = outcome.result.comparison
    assert comparison is not None
    assert comparison.after.metrics["validation_loss"] < comparison.before.metrics["validation_loss"]
    for part in ("text_encoder", "text_encoder_2"):
        before, after = (load_file(path / part / "model.safetensors") for path in (xl, outcome.model))
        assert all(torch.equal(before[key], after[key]) for key in before), f"{part} is left as it is"
    assert json.loads((outcome.model / "model_index.json").read_text())["_class_name"] == "StableDiffusionXLPipeline"
    (image,) = drawn(load(outcome.model, options=LoadOptions()), [ImageRequest("seven", 1, steps=4, guidance=5.0)])
    wanted = of_diffusers(outcome.model, prompt="seven", negative=None, seed=1)
    assert np.abs(image.astype(float) - wanted).max() <= NOISY


def _other_words(directory: Path) -> None:
    """A damage: the second tokenizer numbers its tokens otherwise."""
    tokens = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary, merges = directory / "vocab.json", directory / "merges.txt"
    vocabulary.write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\n")
    CLIPTokenizer(str(vocabulary), str(merges), model_max_length=24).save_pretrained(directory / "tokenizer_2")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda path: shutil.rmtree(path / "text_encoder_2"), "text_encoder_2", id="no second encoder"),
        pytest.param(lambda path: shutil.rmtree(path / "tokenizer_2"), "no tokenizer_2", id="no second tokenizer"),
        pytest.param(_other_words, "make different tokens", id="tokenizers that are no pair"),
    ],
)
def test_parts_that_are_missing_or_no_pair_are_refused(xl: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(xl)
    with pytest.raises(UnservableError, match=sentence):
        load(xl, options=LoadOptions())
