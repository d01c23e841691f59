"""What is to be built: one block, named for the architecture."""

from __future__ import annotations

from hostler_contract.architectures.autoencoder import AutoencoderConfig
from hostler_contract.architectures.diffusion import DiffusionConfig, VideoConfig
from hostler_contract.architectures.gan import GanConfig
from hostler_contract.architectures.speech import SpeechConfig
from hostler_contract.architectures.transformer import EncoderConfig, TransformerConfig
from hostler_contract.message import Part


class ModelConfig(Part):
    """At most one block; none where the job goes on from a base model, whose own files say what it is."""

    transformer: TransformerConfig | None = None
    encoder: EncoderConfig | None = None
    autoencoder: AutoencoderConfig | None = None
    diffusion: DiffusionConfig | None = None
    video: VideoConfig | None = None
    speech: SpeechConfig | None = None
    gan: GanConfig | None = None
