"""Every example is a job or a service that its pool would take, had its nodes the room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import FakeCluster
from floor import view_of

from hostler.accelerators import accelerator
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import families
from hostler.planning.acceptance import PoolChoice
from hostler.planning.choice import unsuited
from hostler.planning.endpoints import read_patterns
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.priorities import reject_priority

Object = dict[str, Any]
EXAMPLES = Path(__file__).parents[3] / "examples"


def documents(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


JOBS = {
    f"{path.relative_to(EXAMPLES)}": [d for d in documents(path) if d["kind"] in ("TrainingJob", "Model")]
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    if any(document["kind"] == "TrainingJob" for document in documents(path))
}


def pools(spec: TrainingJobSpec) -> list[str]:
    """The pool that an example names, or each that it could choose."""
    choose = spec.accelerators.choose
    if choose is None:
        assert spec.accelerators.pool is not None
        return [spec.accelerators.pool]
    kinds = {path.stem: pool(path.stem).pool.kind for path in (EXAMPLES / "pools").glob("*.yaml")}
    return [name for name, kind in kinds.items() if kind is not None and not unsuited(choose, kind)]


def pool(name: str) -> PoolView:
    """The pool of an example, on one large node."""
    (document,) = documents(EXAMPLES / "pools" / f"{name}.yaml")
    spec = AcceleratorPoolSpec.model_validate(document["spec"])
    resource = accelerator(spec.accelerator_type).resource_for(spec.resource_name)
    cluster = FakeCluster()
    node = cluster.node(
        "large", labels=spec.node_selector, devices={resource: 64} if resource else {}, cpu="256", memory="2Ti"
    )
    return view_of(read_pool(name, spec), node)


REFUSED = {"real-size/gpt-3.yaml": TrainingReason.POOL_TOO_SMALL}
"""Examples that are there to be estimated, and say themselves that no pool of ours would take them."""

MADE = {
    document["metadata"]["name"]: ModelSpec.model_validate(
        {
            "family": document["spec"]["family"],
            "artifacts": {"source": {"pvc": {"claimName": document["metadata"]["name"]}}},
        }
    )
    for found in JOBS.values()
    for document in found
    if document["kind"] == "TrainingJob"
}
"""Models that the examples' own jobs put out, from which others may start."""


def inputs(spec: TrainingJobSpec, models: dict[str, ModelSpec]) -> tuple[NamedModel, ...]:
    """Base and parts, as the same file describes them, or another example makes them."""
    parts = {name: getattr(spec.parts, name) for name in type(spec.parts).model_fields} if spec.parts else {}
    named = {None: spec.base, **parts}
    return tuple(
        NamedModel(
            path=f"spec.parts.{part}" if part else "spec.base",
            reference=reference,
            model=models.get(reference.name) or MADE.get(reference.name),
            part=part,
            claim={"metadata": {}},
        )
        for part, reference in named.items()
        if reference is not None
    )


def with_its_data(path: str, spec: Object) -> Object:
    """The spec with what the Dataset of the same file says, as the controller puts it in."""
    if "ref" not in spec["dataset"]:
        return spec
    (found,) = [d["spec"] for d in documents(EXAMPLES / path) if d["kind"] == "Dataset"]
    return spec | {"dataset": {name: found[name] for name in ("source", "format", "license")}}


@pytest.mark.parametrize("path", JOBS)
def test_an_example_is_accepted(path: str) -> None:
    models = {d["metadata"]["name"]: ModelSpec.model_validate(d["spec"]) for d in JOBS[path] if d["kind"] == "Model"}
    (job,) = [document for document in JOBS[path] if document["kind"] == "TrainingJob"]
    spec = TrainingJobSpec.model_validate(with_its_data(path, job["spec"]))
    among = pools(spec)
    assert among
    priority = reject_priority(spec.priority_class_name, documents(EXAMPLES / "queue" / "priorityclasses.yaml"))
    facts = TrainingFacts(namespace="research", priority=priority, inputs=inputs(spec, models))
    for name in among:
        found = reject_job(
            spec,
            choice=PoolChoice(view=pool(name)),
            facts=facts,
            has_image=lambda verb, variant: True,
            allowed_endpoints=read_patterns(["minio.example.org"]),
        )
        assert (found.reason if found is not None else None) == REFUSED.get(path), name


def test_there_is_an_example_of_every_family_that_is_bundled() -> None:
    shown = {document["spec"]["family"] for found in JOBS.values() for document in found}
    assert shown == {name for name, entry in families().items() if entry.training.available}
    for name in shown:
        assert (EXAMPLES / name / "inferenceservice.yaml").exists(), name
