"""What reads the prompt of a diffusion model: a text encoder in the manner of CLIP, and what it must fit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from transformers import CLIPTextConfig, CLIPTextModel

from hostler_contract import ErrorReason
from hostler_contract.architectures.diffusion import TextEncoderConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.images.artifacts import load_network
from hostler_runtime.pretrained import read_tokenizer, unreadable

_TOKENIZER_FILES: Final = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens")


def fresh_text_encoder(sizes: TextEncoderConfig, tokenizer: Any) -> Any:
    """From torch's current random state. Raises ``RuntimeFailure`` where the sizes do not fit together."""
    if sizes.hidden_size % sizes.heads:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"hiddenSize {sizes.hidden_size} of the text encoder is not a multiple of its {sizes.heads} heads",
        )
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.hidden_size,
            intermediate_size=4 * sizes.hidden_size,
            projection_dim=sizes.hidden_size,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            max_position_embeddings=sizes.context_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def load_text_encoder(path: Path) -> tuple[Any, Any]:
    """Text encoder and tokenizer of a pipeline, or of a directory with nothing else. Raises ``UnservableError``."""
    alone = _is_alone(path)
    encoder = load_network(CLIPTextModel, path if alone else path / "text_encoder")
    folder = path if alone else path / "tokenizer"
    if not folder.is_dir():
        raise unreadable(f"{path} has no tokenizer")
    tokenizer = read_tokenizer(folder, vocabulary_size=encoder.config.vocab_size)
    longest = int(encoder.config.max_position_embeddings)
    tokenizer.model_max_length = min(int(tokenizer.model_max_length), longest)
    return encoder, tokenizer


def tokenizer_digest(path: Path) -> str:
    """Of the files that say how the tokenizer of ``load_text_encoder`` reads captions."""
    folder = path if _is_alone(path) else path / "tokenizer"
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*")):
        if file.name.startswith(_TOKENIZER_FILES):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def require_fitting(path: Path, *, vae: Any, text_encoders: Sequence[Any], unet: Any) -> None:
    """That a pipeline's parts belong together: the hidden states of its encoders lie side by side. Raises
    ``UnservableError``."""
    read = sum(encoder.config.hidden_size for encoder in text_encoders)
    for what, found, wanted in (
        ("channels of the latent", unet.config.in_channels, vae.config.latent_channels),
        ("width of the text encoder", unet.config.cross_attention_dim, read),
    ):
        if found != wanted:
            raise unreadable(
                f"the parts in {path} do not fit together: the U-Net takes {found} as {what}, not {wanted}"
            )


def _is_alone(path: Path) -> bool:
    return not (path / "text_encoder").is_dir()
