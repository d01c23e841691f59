"""The catalog as a page: what is in it, from the entries themselves."""

from __future__ import annotations

from collections.abc import Sequence

from hostler.api.model import ModelSpec
from hostler.catalog import entries
from hostler.cli.catalog import apis_of, count
from hostler.cli.catalogview import Entry
from hostler.planning import quantities
from hostler.planning.catalog import serving_need

_INTRO = """\
# Catalog

The ClusterModels that the chart brings. [What to do with them](../concepts/catalog.md): `hostler catalog ENTRY` says
everything about one, hyperparameters with their bounds and a request included.

*To serve* is an estimate of the memory of one accelerator, *on cores* that of a pod that has none. *gated*: the licence
has to be accepted by name first.
"""
_MANY = 8
"""Languages from which on their number is told."""
_HEAD = ("Entry", "Source", "Parameters", "Context", "Licence", "Languages", "To serve", "On cores", "APIs", "Methods")


def render_reference() -> str:
    """The whole page, a table for each family."""
    found = [Entry(name=name, spec=ModelSpec.model_validate(each["spec"])) for name, each in entries().items()]
    families = sorted({entry.spec.known_family.value for entry in found})
    tables = [
        f"## {family}\n\n{_table([_row(entry) for entry in found if entry.spec.family == family])}"
        for family in families
    ]
    return "\n".join([_INTRO, *tables])


def _row(entry: Entry) -> tuple[str, ...]:
    spec, need = entry.spec, serving_need(entry.spec)
    sizes = spec.architecture
    languages = spec.languages
    return (
        f"`{entry.name}`",
        f"[{entry.repository}](https://huggingface.co/{entry.repository})"
        if entry.repository
        else "the example's claim",
        count(sizes.parameters if sizes else None),
        f"{sizes.context_length:,}" if sizes and sizes.context_length else "",
        f"{spec.license}, gated" if spec.gated else spec.license,
        str(len(languages)) if len(languages) > _MANY else " ".join(languages),
        quantities.show_bytes(need.device) if need else "",
        quantities.show_bytes(need.cores) if need else "",
        " ".join(f"`{path}`" for path in apis_of(entry)),
        ", ".join(spec.tuning.methods) if spec.tuning else "",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [_HEAD, tuple("---" for _ in _HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
