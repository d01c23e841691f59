"""Gather, decide, act, status of a Model whose files are imported; the Model's controller hands such ones over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from hostler.accelerators import Verb
from hostler.api.model import ModelSpec, ModelStatus, ModelUser
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.filedjobs import with_files
from hostler.controllers.modelimport.decide import Terms, decide, refused
from hostler.controllers.modelimport.observed import Observed
from hostler.controllers.plan import RefusedError, write_children, write_status
from hostler.controllers.ports import Clock, Facts, Object, Outcome, Reader, Writer
from hostler.controllers.settings import Settings
from hostler.manifests import naming
from hostler.manifests.importjob import Import
from hostler.planning import pods as read
from hostler.planning import registries
from hostler.planning.imports import imported_of
from hostler_contract.importing import ImportProgress


class ModelImports:
    """Writes the children of an import, and the whole status of its Model."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        facts: Facts,
        settings: Settings,
        failures: CreationFailures,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._facts = facts
        self._settings = settings
        self._failures = failures

    async def reconcile(self, model: Object, spec: ModelSpec, users: Sequence[ModelUser]) -> Outcome:
        """Bring one import a step further."""
        terms = Terms(
            now=self._clock.now(),
            recheck=self._settings.recheck_seconds,
            allowed_endpoints=self._settings.allowed_endpoints,
        )
        wanted = Import(
            model=model["metadata"],
            spec=spec,
            image=self._settings.default_image(Verb.TRAIN),
            rules=self._settings.imports,
            traffic=self._settings.traffic,
            allowed=self._settings.allowed_endpoints,
            **self._resolved(model, spec),
        )
        seen = await self._gather(model, wanted, users)
        plan = decide(seen, wanted, terms)
        try:
            await write_children(self._writer, model, plan)
        except RefusedError as refusal:
            plan = refused(seen, str(refusal), terms)
        return await write_status(self._writer, model, plan)

    def _resolved(self, model: Object, spec: ModelSpec) -> dict[str, Any]:
        """What is known of an image: which one it is, and whether pods mount it."""
        if spec.artifacts.source.oci is None:
            return {}
        mountable = registries.mountable(self._reader.list("Node"), self._settings.imports.image_volumes)
        found = imported_of(spec, ModelStatus.model_validate(model.get("status") or {}))
        known = found.image if found is not None else None
        return {"mountable": mountable, "known": known, "mounted": found is not None and found.mounted}

    async def _gather(self, model: Object, wanted: Import, users: Sequence[ModelUser]) -> Observed:
        name, namespace = model["metadata"]["name"], model["metadata"]["namespace"]
        labels = naming.import_selector(name)
        # Children of an earlier object of the same name are on their way out.
        jobs = [job for job in self._reader.list("Job", namespace=namespace, labels=labels) if _owned_by(job, model)]
        job = next((each for each in jobs if each["metadata"]["name"] == wanted.name), None)
        listed = self._reader.list("Pod", namespace=namespace, labels=labels) if job is not None else []
        pods = tuple(pod for pod in listed if job is not None and _owned_by(pod, job))
        claim = self._reader.get("PersistentVolumeClaim", namespace=namespace, name=naming.import_claim(name))
        claim = claim if claim is not None and _owned_by(claim, model) else None
        seen = Observed(
            model=model,
            spec=wanted.spec,
            status=ModelStatus.model_validate(model.get("status") or {}),
            job=job,
            pods=pods,
            claim=claim,
            progress=self._progress(pods),
            refused=await self._failures.of_job(job, pods) if job is not None else "",
            held_up=await self._held_up(pods, claim),
            obsolete=await with_files(self._reader, [each for each in jobs if each is not job]),
            users=tuple(users),
        )
        if job is None or seen.ended_at is None:
            return seen
        spent = await with_files(self._reader, [job])
        return replace(seen, spent=spent)

    def _progress(self, pods: Iterable[Object]) -> ImportProgress | None:
        found = (self._facts.importing(pod["metadata"]["uid"]) for pod in pods if read.is_running(pod))
        return next((each for each in found if each is not None), None)

    async def _held_up(self, pods: Iterable[Object], claim: Object | None) -> str:
        """Why the pod does not begin, where neither its status nor its Job says it: a claim, or a mount."""
        waiting = [pod for pod in pods if not read.is_running(pod) and not read.is_terminal(pod)]
        for pod in waiting:
            if said := await self._failures.of_pod(pod):
                return said
        return await self._failures.of_claim(claim) if waiting and claim is not None else ""


def _owned_by(child: Object, owner: Object) -> bool:
    references = child["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)
