"""The names of all families: the API's enumeration is made from it."""

from __future__ import annotations

from enum import StrEnum


class FamilyName(StrEnum):
    """Model families that Hostler names; which of them this release can train and serve is said in status."""

    CHAT = "chat"
    CODE = "code"
    BERT = "bert"
    TEXT_TO_IMAGE = "text-to-image"
    TEXT_TO_VIDEO = "text-to-video"
    SPEECH_TO_TEXT = "speech-to-text"
    GAN = "gan"
    VAE = "vae"
    CUSTOM = "custom"
