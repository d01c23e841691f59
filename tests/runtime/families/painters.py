"""Image models of the tests: what they draw, and one of the kind that is published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from runtime.families.pictures import pixels
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from hostler_runtime.families.text_to_image.serving import PainterModel
from hostler_runtime.protocols.tasks import ImageRequest

TEXT = {"layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 16, "vocabularySize": 400}


def drawn(model: PainterModel, requests: Sequence[ImageRequest]) -> np.ndarray:
    """What the model draws."""
    for request in requests:
        model.check(request)
    return np.stack([pixels(result.png) for result in model.run_batch(requests).results])  # type: ignore[union-attr]


def published_checkpoint(directory: Path, words: Path) -> Path:
    """Stable Diffusion in miniature: its classes, its scheduler, its tokenizer of words and merges, three colours."""
    torch.manual_seed(0)
    directory.mkdir(parents=True)
    tokenizer = _letters(words)
    end = tokenizer.eos_token_id
    StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, sample_size=16,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=24, projection_dim=16, eos_token_id=end,
        )),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8, block_out_channels=(16, 32), layers_per_block=2, cross_attention_dim=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=4, norm_num_groups=4,
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=PNDMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True,
            set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(directory)  # fmt: skip
    return directory


def published_xl_checkpoint(directory: Path, words: Path) -> Path:
    """Stable Diffusion XL in miniature: two text encoders of different width, whose tokenizers pad with different
    tokens, and a U-Net that is told sizes and a vector of the whole prompt."""
    torch.manual_seed(0)
    directory.mkdir(parents=True)
    first, second = _letters(words), _letters(words, pad_token="z")
    text = {
        "vocab_size": len(first), "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24,
        "eos_token_id": first.eos_token_id, "intermediate_size": 32,
    }  # fmt: skip
    StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, sample_size=16,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4, scaling_factor=0.13025,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(hidden_size=16, projection_dim=16, **text)),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=24, projection_dim=20, **text)),
        tokenizer=first,
        tokenizer_2=second,
        unet=UNet2DConditionModel(
            sample_size=8, block_out_channels=(16, 32), layers_per_block=1, cross_attention_dim=16 + 24,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), attention_head_dim=(2, 4), norm_num_groups=4,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2),
            use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=20 + 6 * 8,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1,
            timestep_spacing="leading",
        ),
        add_watermarker=False,
    ).save_pretrained(directory)  # fmt: skip
    return directory


def _letters(words: Path, **more: str) -> CLIPTokenizer:
    """A tokenizer of words and merges as CLIP has it, of letters alone."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (words / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=24, **more)
