"""Speech recognition: Whisper, and Conformer with CTC."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.architectures.block import Block, Heads, Layers, Width


class SpeechConfig(Block):
    """An acoustic model on log-mel frames."""

    architecture: Literal["whisper", "conformer"] = "whisper"
    """whisper is an encoder with an autoregressive decoder (arXiv 2212.04356), conformer an encoder with CTC
    (arXiv 2005.08100)."""
    encoder_layers: Layers
    """Blocks of the encoder."""
    decoder_layers: Annotated[int, Field(ge=0, le=256)] = 2
    """Blocks of the decoder; conformer has none."""
    hidden_size: Width
    """Width of the residual stream."""
    heads: Heads
    """Attention heads."""
    vocabulary_size: Annotated[int, Field(ge=32, le=1_000_000)] = 512
    """Most tokens of the vocabulary."""
    mel_bins: Annotated[int, Field(ge=16, le=128)] = 80
    """Frequency bands of the input."""
    max_seconds: Annotated[int, Field(ge=1, le=30)] = 30
    """Longest stretch of audio that is heard at once, in seconds."""
    max_text_tokens: Annotated[int, Field(ge=8, le=448)] = 64
    """Longest transcript of one stretch, in tokens, with what stands before and after the text; whisper only."""
    frame_milliseconds: Annotated[int, Field(ge=5, le=40)] = 10
    """Time from one frame of the input to the next. Half as many frames are half the work."""
    subsampling: Literal[2, 4, 8] = 4
    """Frames of the input for each step of a conformer's encoder. A step writes one token at most; whisper takes 2."""
    language: Annotated[str, Field(max_length=3, pattern="^[a-z]{2,3}$")] = "en"
    """Language (ISO 639) that is spoken in rows of the data that do not say."""
