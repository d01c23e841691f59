"""The base of all API types, and how a rule that the API server enforces is written down.

A pydantic model here is the only source of a CRD: ``hostler.api.crd`` turns it into a structural schema. Static
defaults stand in the schema (the API server fills them in); computed values never go into ``spec``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "hostler.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "hostler"


class ApiModel(BaseModel):
    """Strict, immutable, camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class StatusModel(BaseModel):
    """Status is read back across releases, so an unknown field is no error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )


def cel(rule: str, message: str, *, field_path: str | None = None) -> dict[str, str]:
    """One ``x-kubernetes-validations`` entry; ``field_path`` (``.a.b``) moves the error to the field to blame."""
    entry = {"rule": rule, "message": message}
    if field_path is not None:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: dict[str, str], **extra: Any) -> dict[str, Any]:
    """``json_schema_extra`` for a field or a model: CEL rules and further schema keys (``x-kubernetes-...``)."""
    return {"x-kubernetes-validations": list(entries), **extra}


def unchangeable(field: str, *, way_out: str) -> dict[str, str]:
    """A rule for the parent of an optional field: it may neither change nor appear nor vanish.

    It stands on the parent because a transition rule on an optional field does not run when the field is added or
    removed.
    """
    return cel(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot be changed: {way_out}",
        field_path=f".{field}",
    )


Name = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
]
"""A DNS label: the name of another object in the same namespace or in the cluster."""

Text = Annotated[str, Field(max_length=1024)]
"""A sentence for people."""

Quantity = Annotated[
    str,
    Field(
        min_length=1,
        max_length=24,
        json_schema_extra=rules(
            cel(
                "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                "must be a positive Kubernetes quantity such as 500m, 2 or 4Gi",
            )
        ),
    ),
]
"""A Kubernetes quantity, as a string."""

Decimal = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$")]
"""A non-negative decimal number as a string: the API knows no floats, because they do not survive a round trip."""

Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
