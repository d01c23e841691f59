"""CustomResourceDefinitions, generated from the table of kinds."""

from __future__ import annotations

from typing import Any

from hostler.api.compact import compact
from hostler.api.kinds import KINDS, Column, Kind
from hostler.api.schema import CATEGORY, GROUP, VERSION, cel, on_create
from hostler.api.structural import structural

Manifest = dict[str, Any]

_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_SERVICE_LABEL = "^[a-z]([-a-z0-9]*[a-z0-9])?$"


def crds() -> list[Manifest]:
    """Every CRD, in the order of the table."""
    return [crd(kind) for kind in KINDS]


def crd(kind: Kind) -> Manifest:
    """The CustomResourceDefinition of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY] if kind.at_a_glance else [],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": compact(schema(kind))},
                }
            ],
        },
    }


def schema(kind: Kind) -> Manifest:
    """The structural schema of one kind, with the rules on its name, each rule by itself."""
    return {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "x-kubernetes-validations": [*_name_rules(kind), *kind.rules],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.kind}."},
            # Nothing but the name may be restricted here; it is declared so that rules can point at it.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural(kind.spec, defaults=True),
            "status": structural(kind.status, defaults=False),
        },
    }


def _name_rules(kind: Kind) -> list[Manifest]:
    """A name must fit where it is used: in references, and in the names that children derive from it."""
    if kind.children:
        long = f"must be at most {kind.name_limit} characters, because {kind.children} derive their names from it"
        form = "must be lower-case letters, digits and '-', and begin with a letter, because a Service gets this name"
        pattern = _SERVICE_LABEL
    else:
        long = f"must be at most {kind.name_limit} characters, because other objects and labels refer to it"
        form = "must be lower-case letters, digits and '-', because other objects and labels refer to it"
        pattern = _LABEL
    return on_create(
        cel(f"size(self.metadata.name) <= {kind.name_limit}", long, field_path=".metadata.name"),
        cel(f"self.metadata.name.matches('{pattern}')", form, field_path=".metadata.name"),
    )


def _column(column: Column) -> Manifest:
    optional: Manifest = {}
    if column.description:
        optional["description"] = column.description
    if column.priority:
        optional["priority"] = column.priority
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **optional}
