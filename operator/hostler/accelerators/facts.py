"""What every data file of the registry is made of: strict, immutable records, each with its confidence."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Fact(BaseModel):
    """Strict base of all parts: a misspelled key in a data file is an error, not a silent default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Confidence(StrEnum):
    """How well the figures of a file are known."""

    VERIFIED = "verified"
    """Read in a public source of the vendor, or in several independent ones."""
    PARTLY = "partly"
    """Some were read; ``confidenceNote`` says which."""
    RECALLED = "recalled"
    """Known vendor figures that were not read again."""
