"""The base of all API types, and how a rule that the API server enforces is written down.

A pydantic model here is the only source of a CRD: ``hostler.api.crd`` turns it into a structural schema. Static
defaults stand in the schema (the API server fills them in); computed values never go into ``spec``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "hostler.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "hostler"
OPERATOR = "hostler-operator"
"""Name of the operator's Deployment, ServiceAccount, roles and Lease."""


class ApiModel(BaseModel):
    """Strict, immutable, camelCase on the wire.

    Validators are built when a kind is first read: not for each part of it, and not for kinds that nobody has.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, defer_build=True
    )


class StatusModel(BaseModel):
    """Status is read back across releases, so an unknown field is no error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, defer_build=True
    )


def cel(rule: str, message: str, *, field_path: str | None = None) -> dict[str, str]:
    """One ``x-kubernetes-validations`` entry; ``field_path`` (``.a.b``) moves the error to the field to blame."""
    entry = {"rule": rule, "message": message}
    if field_path is not None:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """``json_schema_extra`` for a field or a model: CEL rules and further schema keys (``x-kubernetes-...``)."""
    return {"x-kubernetes-validations": list(entries), **extra}


UNCHANGEABLE = "x-unchangeable"
"""Key of a model's schema extra, for ``hostler.api.structural``: fields that stay as they were, and the way out."""


CREATED = "oldSelf.hasValue()"
"""CEL of a rule with ``optionalOldSelf``: there is an old object, so this is no creation."""
UNCHANGED = "self == oldSelf"
"""CEL of a rule on a field that stays as it was."""


def on_create(*entries: dict[str, str]) -> list[dict[str, Any]]:
    """The same rules, looked at when the object is made and never again: for fields that cannot be changed.

    The API server evaluates all rules of a spec at every write of the status too. With ``optionalOldSelf`` (KEP-4008,
    CRD validation ratcheting) a rule sees whether there is an earlier value;
    ``hostler.api.compact`` makes one of those of a node.
    """
    return [{**entry, "rule": f"{CREATED} || ({entry['rule']})", "optionalOldSelf": True} for entry in entries]


SETTLED = "oldSelf.hasValue() && !oldSelf.value().suspend"
"""CEL of a rule with ``optionalOldSelf``: there is an old object, and it was not suspended."""


def on_change(*entries: dict[str, str]) -> list[dict[str, Any]]:
    """The same rules, looked at when the object is made and while it is suspended: for fields of
    :func:`changeable_while_suspended`. ``hostler.api.compact`` makes one of those of a node."""
    return [{**entry, "rule": f"{SETTLED} || ({entry['rule']})", "optionalOldSelf": True} for entry in entries]


def guarded(rule: str, *, by: str) -> str | None:
    """The condition that was given to :func:`on_create` (by :data:`CREATED`) or :func:`on_change` (by :data:`SETTLED`);
    None where the rule is none of those."""
    opening = f"{by} || ("
    return rule.removeprefix(opening).removesuffix(")") if rule.startswith(opening) else None


WHILE_SUSPENDED = "oldSelf.suspend || "
"""What CEL of a rule of :func:`changeable_while_suspended` begins with."""


def changeable_while_suspended(*fields: str, way_out: str) -> list[dict[str, str]]:
    """Rules of a spec with ``suspend``: these fields, which are never absent, change only while it was true, as a
    batch/v1 Job's template does. Suspending and changing at once is refused: pods would still run by the old value."""
    return [
        cel(
            f"{WHILE_SUSPENDED}self.{field} == oldSelf.{field}",
            f"{field} cannot be changed: {way_out}",
            field_path=f".{field}",
        )
        for field in fields
    ]


def presence_unchanged(field: str) -> str:
    """CEL of a rule on a parent: the field neither appears nor vanishes."""
    return f"has(self.{field}) == has(oldSelf.{field})"


def unchangeable(*fields: str, way_out: str) -> dict[str, Any]:
    """``json_schema_extra`` of a model: these fields may neither change nor appear nor vanish."""
    return {UNCHANGEABLE: {field: f"{field} cannot be changed: {way_out}" for field in fields}}


Name = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
]
"""A DNS label: the name of another object in the same namespace or in the cluster."""

Text = Annotated[str, Field(max_length=1024)]
"""A sentence for people."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
]
"""A DNS subdomain: the name of a claim or ConfigMap that others made, who may have put dots into it."""


def _quantity(*, at_least: str, message: str) -> Any:
    """A string, or the bare integer that people write for ``cpu: 2`` because a Pod takes it."""
    limit = f"!quantity(string(self)).isLessThan(quantity('{at_least}'))"
    return Field(
        min_length=1,
        max_length=24,
        json_schema_extra=rules(
            cel(f"isQuantity(string(self)) && {limit}", message), **{"x-kubernetes-int-or-string": True}
        ),
    )


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


CpuQuantity = Annotated[
    str,
    BeforeValidator(_as_text),
    _quantity(at_least="1m", message="must be a quantity of CPU cores such as 500m or 2, and at least 1m"),
]
"""CPU cores, as a Kubernetes quantity."""

ByteQuantity = Annotated[
    str,
    BeforeValidator(_as_text),
    _quantity(
        at_least="1Mi", message="must be a quantity of bytes such as 512Mi or 4Gi, and at least 1Mi; 1GB is written 1G"
    ),
]
"""Bytes, as a Kubernetes quantity. Less than 1Mi is a forgotten unit."""

Decimal = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$")]
"""A non-negative decimal number as a string: the API knows no floats, because they do not survive a round trip."""

SignedDecimal = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$")]
"""A decimal number as a string."""

PositiveDecimal = Annotated[
    str,
    Field(
        min_length=1,
        max_length=24,
        pattern=r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$",
        json_schema_extra=rules(cel("double(self) > 0.0", "must be above 0")),
    ),
]
"""A decimal number above zero, as a string."""

Share = Annotated[
    str,
    Field(
        min_length=1,
        max_length=24,
        pattern=r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$",
        json_schema_extra=rules(cel("double(self) <= 1.0", "must not be above 1")),
    ),
]
"""A decimal number from 0 to 1, as a string."""

_DURATION = "^([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,7}s)?$"

Duration = Annotated[
    str,
    Field(
        min_length=2,
        max_length=24,
        json_schema_extra=rules(
            cel(
                f"self.matches('{_DURATION}') && duration(self) > duration('0s') && duration(self) < duration('8760h')",
                "must be a duration such as 90s, 45m or 2h30m, above 0 and below a year (8760h)",
            )
        ),
    ),
]
"""A length of time as Kubernetes writes it (metav1.Duration), in whole hours, minutes and seconds;
``hostler.planning.moments.seconds_of`` reads it."""

InnerShare = Annotated[
    str,
    Field(
        min_length=1,
        max_length=24,
        pattern=r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$",
        json_schema_extra=rules(cel("double(self) > 0.0 && double(self) < 1.0", "must lie between 0 and 1")),
    ),
]
"""A decimal number between 0 and 1, neither of them included, as a string."""

Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
