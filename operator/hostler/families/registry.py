"""Every family that the API names. What no bundled runtime does yet is one row with its reason, not a file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hostler.api.common import Family as FamilyName
from hostler.families.chat import Chat
from hostler.families.family import Availability, Family, Shape
from hostler_contract import SampleRequest

_NOT_BUNDLED = "the bundled runtime of this release has no {name} family; families it has: chat"
_OWN_IMAGE = "this release does not start images of your own yet; families it starts: chat"


@dataclass(frozen=True, kw_only=True)
class NamedFamily:
    """A family that the API names and nothing bundled runs. It has no formulas to ask for."""

    name: str
    task: str
    apis: tuple[str, ...]
    training: Availability
    serving: Availability

    def parameters(self, shape: Shape) -> int:
        """Raises ``LookupError``."""
        raise self._unknown()

    def training_flops_per_token(self, shape: Shape) -> float:
        """Raises ``LookupError``."""
        raise self._unknown()

    def training_bytes(self, shape: Shape) -> int:
        """Raises ``LookupError``."""
        raise self._unknown()

    def kv_bytes_per_token(self, shape: Shape, *, bytes_per_value: int) -> int:
        """Raises ``LookupError``."""
        raise self._unknown()

    def sample_request(self) -> SampleRequest:
        """Raises ``LookupError``."""
        raise self._unknown()

    def _unknown(self) -> LookupError:
        return LookupError(f"family {self.name}: {self.training.reason}")


def _named(name: FamilyName, task: str, *apis: str, reason: str = _NOT_BUNDLED) -> NamedFamily:
    no = Availability(available=False, reason=reason.format(name=name.value))
    return NamedFamily(name=name.value, task=task, apis=apis, training=no, serving=no)


_NAMED = (
    _named(FamilyName.CODE, "text-generation", "/v1/completions", "/v1/chat/completions"),
    _named(FamilyName.BERT, "feature-extraction", "/v1/embeddings"),
    _named(FamilyName.TEXT_TO_IMAGE, "text-to-image", "/v1/images/generations"),
    _named(FamilyName.TEXT_TO_VIDEO, "text-to-video", "/v1/videos"),
    _named(FamilyName.SPEECH_TO_TEXT, "automatic-speech-recognition", "/v1/audio/transcriptions"),
    _named(FamilyName.GAN, "unconditional-image-generation", "/v1/images/generations"),
    _named(FamilyName.VAE, "unconditional-image-generation", "/v1/images/generations"),
    _named(FamilyName.CUSTOM, "custom", reason=_OWN_IMAGE),
)


@functools.cache
def families() -> Mapping[str, Family]:
    """Every family by name, in the API's order."""
    known: dict[str, Family] = {entry.name: entry for entry in (Chat(), *_NAMED)}
    return MappingProxyType({name.value: known[name.value] for name in FamilyName})


def family(name: str) -> Family:
    """One family by name. Raises ``LookupError`` for a name that the API does not have."""
    try:
        return families()[name]
    except KeyError:
        raise LookupError(f"unknown family {name!r}; families: {', '.join(families())}") from None
