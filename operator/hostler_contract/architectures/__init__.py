"""The sizes of a network, one block for each kind of architecture.

A block is defined once: the CRD takes its schema from here, the operator its formulas' input, and the runtime builds
the network from it. Only integers, strings and lists with bounds, because a CRD knows no floats.
"""

from hostler_contract.architectures.autoencoder import AutoencoderConfig
from hostler_contract.architectures.diffusion import DiffusionConfig, VideoConfig
from hostler_contract.architectures.gan import GanConfig
from hostler_contract.architectures.model import ModelConfig
from hostler_contract.architectures.sizes import TransformerSizes
from hostler_contract.architectures.speech import SpeechConfig
from hostler_contract.architectures.transformer import EncoderConfig, TransformerConfig

__all__ = [
    "AutoencoderConfig",
    "DiffusionConfig",
    "EncoderConfig",
    "GanConfig",
    "ModelConfig",
    "SpeechConfig",
    "TransformerConfig",
    "TransformerSizes",
    "VideoConfig",
]
