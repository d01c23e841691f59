"""Every family that the API names, in the API's order."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from hostler.families.bert import Bert
from hostler.families.chat import Chat
from hostler.families.code import Code
from hostler.families.family import Availability, Family
from hostler.families.gan import Gan
from hostler.families.names import FamilyName
from hostler.families.speech_to_text import SpeechToText
from hostler.families.text_to_image import TextToImage
from hostler.families.text_to_video import TextToVideo
from hostler.families.vae import Vae

_OWN_IMAGE = Availability(
    available=False, reason="this release does not start images of your own yet; every other family is bundled"
)


class Custom(Family):
    """A family whose image the user brings: the API names it, and nothing starts it yet."""

    name = FamilyName.CUSTOM
    task = "custom"
    apis = ()
    training = _OWN_IMAGE
    serving = _OWN_IMAGE


_ALL = (Chat, Code, Bert, TextToImage, TextToVideo, SpeechToText, Gan, Vae, Custom)


@functools.cache
def families() -> Mapping[str, Family]:
    """Every family by name."""
    known = {kind.name: kind() for kind in _ALL}
    return MappingProxyType({name.value: known[name] for name in FamilyName})


def family(name: str) -> Family:
    """One family by name. Raises ``LookupError`` for a name that the API does not have."""
    try:
        return families()[name]
    except KeyError:
        raise LookupError(f"unknown family {name!r}; families: {', '.join(families())}") from None
