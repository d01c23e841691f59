"""The base of every block, and the bounds that several of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from hostler_contract.message import Part


class Block(Part):
    """Sizes of a network; the sentence under a field is its text in the API reference."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )


Layers = Annotated[int, Field(ge=1, le=256)]
Width = Annotated[int, Field(ge=8, le=65536)]
Heads = Annotated[int, Field(ge=1, le=512)]
Percent = Annotated[int, Field(ge=0, le=90)]
ImageSize = Annotated[int, Field(ge=4, le=4096)]
Channels = Annotated[int, Field(ge=1, le=4)]
Widths = Annotated[tuple[Annotated[int, Field(ge=4, le=8192)], ...], Field(min_length=1, max_length=8)]
