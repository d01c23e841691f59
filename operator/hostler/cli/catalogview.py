"""What `hostler catalog`, `use` and `tune` share: entries and pools, from the cluster or from this release."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from hostler.accelerators import Verb
from hostler.api.conditions import find
from hostler.api.model import ModelCondition, ModelSpec, ModelStatus
from hostler.api.pool import AcceleratorPoolSpec
from hostler.catalog import entries
from hostler.cli import access
from hostler.cluster.client import Client
from hostler.cluster.resources import resource_of
from hostler.planning.catalog import Need, Place, place
from hostler.planning.pools import Pool, read_pool

Object = dict[str, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_ALIKE = 0.7
"""How like a name has to be to be offered, of 1."""
_MOST_NEAR = 3


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A ClusterModel that this release can read."""

    name: str
    spec: ModelSpec
    status: ModelStatus = field(default_factory=ModelStatus)

    @property
    def repository(self) -> str | None:
        """Its repository on a hub."""
        hub = self.spec.artifacts.source.hf
        return hub.repository if hub else None

    @property
    def state(self) -> str:
        """The reason of its Ready condition."""
        ready = find(self.status.conditions, ModelCondition.READY)
        return ready.reason if ready else ""


@dataclass(frozen=True, kw_only=True)
class SeenPool:
    """An AcceleratorPool."""

    pool: Pool
    simulated: bool = False


@dataclass(frozen=True, kw_only=True)
class CatalogView:
    """All that there is to choose from."""

    entries: Mapping[str, Entry]
    pools: Mapping[str, SeenPool]

    def entry(self, wanted: str) -> Entry:
        """By its name, also with dots, or by its repository. Raises ``ClickException`` with the nearest names."""
        name = _NOT_IN_NAMES.sub("-", wanted.lower()).strip("-")
        if found := self.entries.get(name):
            return found
        for each in self.entries.values():
            if each.repository is not None and each.repository.lower() == wanted.lower():
                return each
        if not self.entries:
            raise click.ClickException("the catalog is empty: install the chart with catalog.enabled, or see --offline")
        last = _NOT_IN_NAMES.sub("-", wanted.lower().rpartition("/")[2]).strip("-")
        near = _near(last, self.entries) or self._named(last)
        hint = f"did you mean {' or '.join(near)}?" if near else "`hostler catalog` lists them"
        raise click.ClickException(f"the catalog has no entry {wanted!r}: {hint}")

    def _named(self, wanted: str) -> list[str]:
        """Entries that have a word in the name that people read, such as SDXL."""
        words = {
            name: _NOT_IN_NAMES.split((each.spec.display_name or "").lower()) for name, each in self.entries.items()
        }
        return sorted(name for name, found in words.items() if wanted in found)[:_MOST_NEAR]

    def places(self, spec: ModelSpec, *, verb: Verb, need: Need | None) -> list[Place]:
        """What every pool is for an entry."""
        seen = self.pools.values()
        return [place(spec, each.pool, simulated=each.simulated, verb=verb, need=need) for each in seen]


def _near(wanted: str, names: Iterable[str]) -> list[str]:
    """The names that are most like it, or begin so."""

    def likeness(name: str) -> float:
        begun = name[: len(wanted) + 1]
        return max(difflib.SequenceMatcher(None, wanted, each).ratio() for each in (name, begun))

    scored = sorted(((likeness(name), name) for name in names), key=lambda each: (-each[0], each[1]))
    return [name for score, name in scored if score >= _ALIKE][:_MOST_NEAR]


def sources(command: Decorated) -> Decorated:
    """Options that say where entries and pools are read."""
    command = click.option(
        "--offline", is_flag=True, help="Entries that this release brings, without asking a cluster; no pools then."
    )(command)
    return click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Instead of $KUBECONFIG and ~/.kube/config.",
    )(command)


def read_catalog(*, kubeconfig: Path | None, offline: bool) -> CatalogView:
    """Read what there is. Raises ``ClickException``."""
    if offline:
        return view_of(list(entries().values()), [])
    found = ask_cluster(kubeconfig, _read, advice="; --offline shows what this release brings")
    return view_of(*found)


def ask_cluster(kubeconfig: Path | None, question: Callable[[Client], Any], *, advice: str = "") -> Any:
    """What the API server answers. Raises ``ClickException`` in one line."""

    return access.ask_cluster(lambda found: question(found.client), kubeconfig=kubeconfig, advice=advice)


async def _read(client: Client) -> tuple[list[Object], list[Object]]:
    models = await client.list(resource_of("ClusterModel"))
    pools = await client.list(resource_of("AcceleratorPool"))
    return models.items, pools.items


def view_of(models: Sequence[Object], pools: Sequence[Object]) -> CatalogView:
    """Entries and pools from objects; those that this release cannot read are left out."""
    return CatalogView(
        entries={entry.name: entry for each in models if (entry := _entry(each)) is not None},
        pools={seen.pool.name: seen for each in pools if (seen := _pool(each)) is not None},
    )


def _entry(found: Object) -> Entry | None:
    try:
        spec = ModelSpec.model_validate(found["spec"])
        status = ModelStatus.model_validate(found.get("status") or {})
    except ValidationError:
        return None
    # An entry that only names a source has a family once it is somewhere.
    if spec.family is None and status.facts is not None and status.facts.family is not None:
        spec = ModelSpec.model_validate({**found["spec"], "family": status.facts.family})
    return Entry(name=found["metadata"]["name"], spec=spec, status=status)


def _pool(found: Object) -> SeenPool | None:
    try:
        spec = AcceleratorPoolSpec.model_validate(found["spec"])
    except ValidationError:
        return None
    simulated = bool((found.get("status") or {}).get("simulated"))
    return SeenPool(pool=read_pool(found["metadata"]["name"], spec), simulated=simulated)
