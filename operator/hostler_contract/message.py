"""The base of every message: strict when we write, lenient when we read."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

SCHEMA_VERSION: Final = "v1"


class Part(BaseModel):
    """A nested part of a message: camelCase on the wire, unknown fields ignored on reading.

    A message's validator is built when it is first read or written, not in each process that knows of it.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_enum_values=False,
        defer_build=True,
    )


class Message(Part):
    """A top-level message.

    ``schemaVersion`` names the major version. A reader rejects another major version instead of guessing.
    """

    schema_version: Literal["v1"] = SCHEMA_VERSION

    def to_json(self) -> str:
        """One line of JSON without absent fields, the same bytes for the same content."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse a message. Raises ``pydantic.ValidationError`` with the field's path."""
        return cls.model_validate_json(text)

    def to_dict(self) -> dict[str, Any]:
        """The message as plain JSON types."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
