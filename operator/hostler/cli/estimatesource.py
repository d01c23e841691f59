"""What `hostler estimate` is about: jobs from a file or the cluster, the models that they start from, and pools."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError

from hostler.api.common import ModelReference
from hostler.api.model import ModelSpec, ModelStatus
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.catalog import entries
from hostler.cli.access import Access, ask_cluster
from hostler.cli.explanation import usage_of
from hostler.cli.kindwords import kind_and_name
from hostler.cli.lineview import LineView, read_view
from hostler.cli.targets import find_target
from hostler.cluster.errors import Forbidden
from hostler.cluster.resources import resource_of
from hostler.controllers.estimates import benchmarks_of, measurements_of
from hostler.controllers.trainingjob.choosing import on_pool
from hostler.controllers.validity import invalid_spec_sentence
from hostler.planning.estimate.estimate import Subject
from hostler.planning.imports import resolved
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView

Object = dict[str, Any]
_JOB = "TrainingJob"
_MODELS = ("Model", "ClusterModel")
_FILE_ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Jobs, and what is known around them."""

    jobs: tuple[Object, ...]
    models: Mapping[tuple[str, str], Object]
    """By kind and name."""
    view: LineView | None = None
    """The cluster, where one was asked."""


def is_file(target: str) -> bool:
    """Whether a target is meant as a file: ``-``, what ends like one, or what is one."""
    return target == "-" or target.endswith(_FILE_ENDINGS) or Path(target).is_file()


def read_source(target: str, *, kubeconfig: Path | None, namespace: str | None, offline: bool) -> Source:
    """Read what ``target`` names; ``offline`` asks no cluster. Raises ``click.ClickException``."""
    if not is_file(target):
        if offline:
            raise click.UsageError(f"{target} is no file, and --type asks no cluster: give a file")
        return _from_cluster(target, kubeconfig=kubeconfig, namespace=namespace)
    documents = documents_of(target)
    jobs = tuple(each for each in documents if each.get("kind") == _JOB)
    if not jobs:
        kinds = ", ".join(sorted({str(each.get("kind")) for each in documents})) or "nothing"
        raise click.ClickException(f"there is no TrainingJob in {target}: it has {kinds}")
    own = {(each["kind"], each["metadata"]["name"]): each for each in documents if each.get("kind") in _MODELS}
    if offline:
        return Source(jobs=jobs, models=_catalog() | own)
    place = namespace or jobs[0]["metadata"].get("namespace")
    view = read_view(kubeconfig, namespace=place, explained=("", ""))
    theirs = ask_cluster(_read_models, kubeconfig=kubeconfig, namespace=place)
    return Source(jobs=jobs, models=_catalog() | theirs | own, view=view)


def _from_cluster(target: str, *, kubeconfig: Path | None, namespace: str | None) -> Source:
    kind, name = kind_and_name(target, kinds=(_JOB,))

    async def question(access: Access) -> Object:
        return await find_target(access, kind or _JOB, name, kinds=(_JOB,))

    job = ask_cluster(question, kubeconfig=kubeconfig, namespace=namespace)
    view = read_view(kubeconfig, namespace=namespace, explained=(_JOB, name))
    models = ask_cluster(_read_models, kubeconfig=kubeconfig, namespace=namespace)
    return Source(jobs=(job,), models=_catalog() | models, view=view)


def documents_of(target: str) -> list[Object]:
    """Objects of a YAML file, ``-`` for standard input. Raises ``click.ClickException``."""
    try:
        text = sys.stdin.read() if target == "-" else Path(target).read_text(encoding="utf-8")
        found = [each for each in yaml.safe_load_all(text) if each is not None]
    except OSError as error:
        raise click.ClickException(f"{target} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{target} is no YAML: {' '.join(str(error).split())}") from error
    for number, each in enumerate(found, start=1):
        metadata = each.get("metadata") if isinstance(each, dict) else None
        if not isinstance(metadata, dict) or not metadata.get("name"):
            raise click.ClickException(f"document {number} of {target} is no object with metadata.name")
    return found


def _catalog() -> dict[tuple[str, str], Object]:
    return {("ClusterModel", name): found for name, found in entries().items()}


async def _read_models(access: Access) -> dict[tuple[str, str], Object]:
    """Models of the namespace and of the catalog; what may not be listed is left out."""
    found: dict[tuple[str, str], Object] = {}
    for kind in reversed(_MODELS):
        namespace = access.namespace if kind == "Model" else ""
        try:
            listed = await access.client.list(resource_of(kind), namespace=namespace)
        except Forbidden:
            continue
        found |= {(kind, each["metadata"]["name"]): each for each in listed.items}
    return found


def spec_of(job: Object) -> TrainingJobSpec:
    """Its spec. Raises ``click.ClickException`` with the field to blame."""
    try:
        return TrainingJobSpec.model_validate(job.get("spec") or {})
    except ValidationError as error:
        name = job["metadata"]["name"]
        raise click.ClickException(f"TrainingJob {name}: spec.{invalid_spec_sentence(error)}") from error


def inputs_of(spec: TrainingJobSpec, source: Source) -> tuple[NamedModel, ...]:
    """The base and the parts, as far as they are known."""
    named: dict[str | None, ModelReference | None] = {None: spec.base}
    if spec.parts is not None:
        named |= {name: getattr(spec.parts, name) for name in type(spec.parts).model_fields}
    return tuple(
        NamedModel(
            path=f"spec.parts.{part}" if part else "spec.base",
            reference=reference,
            model=_model(source.models.get((reference.kind, reference.name))),
            part=part,
            claim={"metadata": {}},
        )
        for part, reference in named.items()
        if reference is not None
    )


def _model(found: Object | None) -> ModelSpec | None:
    if found is None:
        return None
    try:
        spec = ModelSpec.model_validate(found["spec"])
        return resolved(spec, ModelStatus.model_validate(found.get("status") or {}))
    except ValidationError:
        return None  # Of another release: nothing is known of it.


def pool_views(spec: TrainingJobSpec, source: Source, *, named: Sequence[str], every: bool) -> list[PoolView]:
    """The pools that are asked about: those that are named, all, or those of the spec. Raises ``ClickException``."""
    assert source.view is not None
    usage = usage_of(source.view)
    there = [pool["metadata"]["name"] for pool in source.view.pools if _is_readable(pool)]
    wanted = list(named) or ([spec.accelerators.pool] if spec.accelerators.pool and not every else there)
    if not wanted:
        raise click.ClickException("there are no pools; --type TYPE asks about one that nobody has")
    return [_view(usage.shape(name), name, there=there) for name in wanted]


def _is_readable(pool: Object) -> bool:
    try:
        AcceleratorPoolSpec.model_validate(pool["spec"])
    except ValidationError:
        return False
    return True


def _view(found: PoolView | None, name: str, *, there: Iterable[str]) -> PoolView:
    if found is not None:
        return found
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(there)) or 'none'}"
    raise click.ClickException(f"there is no pool {name} that can be used: {hint}")


def subject_of(
    spec: TrainingJobSpec, view: PoolView, source: Source, *, units: float | None, utilization: float | None
) -> Subject:
    """What is estimated on one pool."""
    inputs = inputs_of(spec, source)
    pool = source.view.pool(view.pool.name) if source.view is not None else None
    return Subject(
        spec=on_pool(spec, view.pool.name),
        view=view,
        base=next((each for each in inputs if each.part is None), None),
        known=measurements_of(pool),
        benchmarks=benchmarks_of(pool),
        utilization=utilization,
        units=units,
    )
