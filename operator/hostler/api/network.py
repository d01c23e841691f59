"""The model that is to come out: its name, its licence, the sizes of its network.

The blocks are the contract's own classes; only the rules stand here, because CEL is the API server's business.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from hostler.api.schema import ApiModel, Name, cel, rules
from hostler_contract import ModelConfig
from hostler_contract.architectures import (
    AutoencoderConfig,
    DiffusionConfig,
    EncoderConfig,
    GanConfig,
    SpeechConfig,
    TransformerConfig,
    VideoConfig,
)

BLOCKS = ("transformer", "encoder", "autoencoder", "diffusion", "video", "speech", "gan")
_AT_MOST_ONE = "[" + ", ".join(f"has(self.{name})" for name in BLOCKS) + "].filter(found, found).size() <= 1"


UNKNOWN_LICENSE = "unknown"


def _heads_divide(block: str = "") -> dict[str, str]:
    return cel(
        f"self{block}.hiddenSize % self{block}.heads == 0",
        "hiddenSize must be a multiple of heads: change one of them",
        field_path=f"{block}.hiddenSize",
    )


def _halves(block: str = "", *widths: str) -> dict[str, str]:
    """Every resolution after the first has half the height and width of the one before."""
    fields = widths or ("blockWidths",)
    times = " + ".join(f"self{block}.{field}.size() - 1" for field in fields)
    powers = [2**n for n in range(7 * len(fields) + 1)]
    return cel(
        f"self{block}.imageSize % {powers}[{times}] == 0",
        f"imageSize must be halved as often as {' and '.join(fields)} has entries after the first, without a rest: "
        "change one of them",
        field_path=f"{block}.imageSize",
    )


_POWERS = ", ".join(str(2**n) for n in range(3, 13))
_POWER_OF_TWO = cel(
    f"self.imageSize in [{_POWERS}]", "imageSize must be a power of two from 8 up", field_path=".imageSize"
)
_IN_LATENTS = _halves("", "autoencoderWidths", "blockWidths")
_IF_AUTOENCODER = {
    **_halves(".autoencoder"),
    "rule": f"!has(self.autoencoder) || {_halves('.autoencoder')['rule']}",
}


_LLAMA = (
    cel(
        "self.architecture != 'llama' || self.hiddenSize / self.heads % 2 == 0",
        "hiddenSize / heads must be even: llama turns pairs of figures by their position",
        field_path=".hiddenSize",
    ),
    cel(
        "self.architecture != 'llama' || self.dropoutPercent == 0",
        "llama has no dropout: remove dropoutPercent, or take gpt2",
        field_path=".dropoutPercent",
    ),
)


def _ruled(*entries: dict[str, str]) -> Any:
    return Field(json_schema_extra=rules(*entries))


class TrainedModel(ApiModel):
    """The model that is to come out, with at most one block of sizes; spec.base may make it needless."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel(_AT_MOST_ONE, f"at most one of {', '.join(BLOCKS)} may be set"))
    )

    name: Name | None = None
    """Name of the Model; absent means the job's own name."""
    license: Annotated[str, Field(min_length=1, max_length=64)] = UNKNOWN_LICENSE
    """SPDX expression of the licence that the weights get; it follows from the data's. unknown takes that of the
    base, where there is one."""
    transformer: Annotated[TransformerConfig | None, _ruled(_heads_divide(), *_LLAMA)] = None
    """Sizes of a decoder (chat, code)."""
    encoder: Annotated[EncoderConfig | None, _ruled(_heads_divide())] = None
    """Sizes of an encoder (bert)."""
    autoencoder: Annotated[AutoencoderConfig | None, _ruled(_halves())] = None
    """Sizes of an autoencoder of images (vae)."""
    diffusion: Annotated[DiffusionConfig | None, _ruled(_heads_divide(".textEncoder"), _IF_AUTOENCODER)] = None
    """Sizes of latent diffusion (text-to-image)."""
    video: Annotated[VideoConfig | None, _ruled(_heads_divide(".textEncoder"), _IN_LATENTS)] = None
    """Sizes of diffusion of clips (text-to-video)."""
    speech: Annotated[SpeechConfig | None, _ruled(_heads_divide())] = None
    """Sizes of an acoustic model (speech-to-text)."""
    gan: Annotated[GanConfig | None, _ruled(_POWER_OF_TWO)] = None
    """Sizes of a generator and a discriminator (gan)."""

    @property
    def network(self) -> ModelConfig:
        """The sizes, as the contract has them."""
        return ModelConfig(**{block: getattr(self, block) for block in BLOCKS})
