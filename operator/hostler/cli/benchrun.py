"""Running standard loads: one at a time on each pool, all pools side by side, until each pool has its figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from hostler.api.benchmark import LABEL
from hostler.cli.access import FIELD_MANAGER, Access
from hostler.cli.benchplan import Planned
from hostler.cli.lineview import condition, has_ended
from hostler.cluster.errors import ApiError, Conflict, Invalid, NotFound, Unavailable
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
_PAUSE = 2.0
"""Seconds between two looks."""
_TAKEN_OVER_SECONDS = 60.0
"""For how long the operator may take to write a benchmark down."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How the loads are run."""

    keep: bool
    storage_class: str | None
    timeout: float
    """Seconds that one load may take, with its time in line."""
    tell: Callable[[Planned, str], None]
    """Is called with what a load is doing, often with the same words."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one load ended."""

    planned: Planned
    benchmark: Object | None = None
    """As the pool's status has it."""
    why: str = ""
    """Why there is none."""


class _NotRun(Exception):
    """The load came to no figure, for the reason that is the message."""


async def check(access: Access, run: Sequence[Planned], terms: Terms) -> None:
    """Let the API server look at everything that would be written, and keep nothing."""
    for each in run:
        job = each.job(namespace=access.namespace, owner=None, storage_class=terms.storage_class)
        try:
            await access.client.create(job, manager=FIELD_MANAGER, dry_run=True)
        except Conflict:
            continue  # One of this name is there, and is what would be waited for.


async def run_all(access: Access, run: Sequence[Planned], terms: Terms) -> list[Outcome]:
    """Every load, in the order in which they were planned."""
    maps = {name: await _with_data(access, run, name) for name in {each.load.config_map for each in run}}
    pools = dict.fromkeys(each.pool for each in run)
    lines = (_on_pool(access, [each for each in run if each.pool == pool], maps, terms) for pool in pools)
    found = {id(each.planned): each for line in await asyncio.gather(*lines) for each in line}
    if not terms.keep:
        for config_map in maps.values():
            await _delete_unused(access, config_map)
    return [found[id(each)] for each in run]


async def _with_data(access: Access, run: Sequence[Planned], name: str) -> Object:
    """The ConfigMap; whoever made it, the pods tell the hash of what is in it."""
    body = next(each for each in run if each.load.config_map == name).config_map(namespace=access.namespace)
    try:
        return await access.client.create(body, manager=FIELD_MANAGER)
    except Conflict:
        found = await access.client.get(resource_of("ConfigMap"), namespace=access.namespace, name=name)
    if found.get("data") or found.get("binaryData") != body["binaryData"]:
        raise click.ClickException(
            f"ConfigMap {access.namespace}/{name} has other data than the standard load: delete it, and repeat"
        )
    return found


async def _on_pool(access: Access, run: Sequence[Planned], maps: dict[str, Object], terms: Terms) -> list[Outcome]:
    """One after the other, so that they do not take each other's cores and memory."""
    outcomes = []
    for each in run:
        job: Object | None = None
        try:
            job = await _started(access, each, maps[each.load.config_map], terms)
            ended = await _ended(access, each, job, terms)
            benchmark = await _taken_over(access, each, ended, terms)
            outcomes.append(Outcome(planned=each, benchmark=benchmark))
            terms.tell(each, f"{float(benchmark['speed']['value']):,.4g} {benchmark['speed']['unit']}")
        except (_NotRun, ApiError) as error:
            outcomes.append(Outcome(planned=each, why=str(error)))
            terms.tell(each, str(error))
        if job is not None and not terms.keep:
            await _delete(access, job)
    return outcomes


async def _started(access: Access, each: Planned, config_map: Object, terms: Terms) -> Object:
    """The job; one that somebody began and that is still under way is waited for, one that has ended makes room."""
    body = each.job(namespace=access.namespace, owner=config_map, storage_class=terms.storage_class)
    try:
        known = await access.client.get(resource_of("TrainingJob"), namespace=access.namespace, name=each.name)
    except NotFound:
        known = None
    if known is not None:
        if (known["metadata"].get("labels") or {}).get(LABEL) != each.load.name:
            raise _NotRun(f"TrainingJob {each.name} is none of hostler bench: delete it, or bench in another namespace")
        if not has_ended(known) and not known["metadata"].get("deletionTimestamp"):
            return known
        await _delete(access, known)
        await _gone(access, each, terms)
    await _delete_model(access, each.name)
    try:
        return await access.client.create(body, manager=FIELD_MANAGER)
    except (Invalid, Conflict) as error:
        raise _NotRun(f"the API server refuses the job: {error}") from error


async def _gone(access: Access, each: Planned, terms: Terms) -> None:
    until = time.monotonic() + terms.timeout
    while time.monotonic() < until:
        try:
            await access.client.get(resource_of("TrainingJob"), namespace=access.namespace, name=each.name)
        except NotFound:
            return
        terms.tell(each, "an earlier run is being deleted")
        await asyncio.sleep(_PAUSE)
    raise _NotRun(f"an earlier TrainingJob {each.name} is still being deleted")


async def _ended(access: Access, each: Planned, job: Object, terms: Terms) -> Object:
    """The job once it has succeeded. Raises :class:`_NotRun` where it does not."""
    until = time.monotonic() + terms.timeout
    while not has_ended(job):
        if condition(job, "Accepted").get("status") == "False":
            raise _NotRun(str(condition(job, "Accepted").get("message")))
        if time.monotonic() > until:
            raise _NotRun(f"it has not ended in {terms.timeout:g} s; {doing(job)}")
        terms.tell(each, doing(job))
        await asyncio.sleep(_PAUSE)
        try:
            job = await access.client.get(resource_of("TrainingJob"), namespace=access.namespace, name=each.name)
        except NotFound:
            if await _of_pool(access, each, job) is not None:
                return job  # Somebody else waited for it too, and has cleaned up.
            raise _NotRun("somebody has deleted the job while it ran") from None
        except Unavailable:
            continue
    if condition(job, "Succeeded").get("status") != "True":
        raise _NotRun(str(condition(job, "Ready").get("message") or "the job has failed"))
    return job


async def _taken_over(access: Access, each: Planned, job: Object, terms: Terms) -> Object:
    """What the operator made of it."""
    until = time.monotonic() + _TAKEN_OVER_SECONDS
    while time.monotonic() < until:
        found = await _of_pool(access, each, job)
        if found is not None:
            return found
        terms.tell(each, "has ended; the pool is to take the figures over")
        await asyncio.sleep(_PAUSE)
    raise _NotRun(
        "the job has ended well, and its pool has no benchmark of it: it needed several attempts, its data was "
        "changed, or the operator is of another release than this command"
    )


async def _of_pool(access: Access, each: Planned, job: Object) -> Object | None:
    """The benchmark that the pool has of exactly this job."""
    pool = await access.client.get(resource_of("AcceleratorPool"), name=each.pool)
    known: Sequence[Object] = (pool.get("status") or {}).get("benchmarks") or ()
    return next((found for found in known if found["run"] == job["metadata"]["uid"]), None)


def doing(job: Object) -> str:
    """What a job does now, in a few words."""
    progress = (job.get("status") or {}).get("progress") or {}
    if progress.get("step"):
        speed = progress.get("speed") or {}
        fast = f", {float(speed['value']):,.4g} {speed['unit']}" if speed else ""
        return f"step {progress['step']} of {progress.get('totalSteps', '?')}{fast}"
    said = condition(job, "Ready")
    return str(said.get("reason") or "Submitted")


async def _delete(access: Access, job: Object) -> None:
    """The job with its pods, and the Model that it put out with its claim."""
    metadata = job["metadata"]
    await _try_delete(access, "TrainingJob", metadata)
    await _delete_model(access, metadata["name"])


async def _delete_model(access: Access, name: str) -> None:
    """The Model of an earlier run; one that another job made is left alone."""
    try:
        model = await access.client.get(resource_of("Model"), namespace=access.namespace, name=name)
    except NotFound:
        return
    if (model["spec"].get("lineage") or {}).get("trainingJob") == name:
        await _try_delete(access, "Model", model["metadata"])


async def _delete_unused(access: Access, config_map: Object) -> None:
    """The data, unless jobs of somebody else in this namespace still read it."""
    resource = resource_of("TrainingJob")
    jobs = (await access.client.list(resource, namespace=access.namespace, selector=LABEL)).items
    uid = config_map["metadata"]["uid"]
    if not any(o["uid"] == uid for job in jobs for o in _owners(job) if not job["metadata"].get("deletionTimestamp")):
        await _try_delete(access, "ConfigMap", config_map["metadata"])


def _owners(job: Object) -> Sequence[Object]:
    owners: Sequence[Object] = job["metadata"].get("ownerReferences") or ()
    return owners


async def _try_delete(access: Access, kind: str, metadata: Object) -> None:
    try:
        await access.client.delete(
            resource_of(kind), namespace=access.namespace, name=metadata["name"], uid=metadata["uid"]
        )
    except (NotFound, Conflict):
        return  # Somebody was faster.
