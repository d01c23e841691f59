"""What is to be done about a Model whose files are imported. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hostler.api.model import (
    USED_BY_LIMIT,
    ImportTransfer,
    ModelCondition,
    ModelFacts,
    ModelImport,
    ModelReason,
)
from hostler.controllers.modelimport.observed import Observed
from hostler.controllers.plan import Plan
from hostler.controllers.said import Said, change, conditions, no, unknown, yes
from hostler.manifests.importjob import Import, Step, import_children, import_directory
from hostler.manifests.naming import import_claim
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.endpoints import EndpointPattern, reject_origin
from hostler.planning.failures import cause_of
from hostler.planning.imports import facts_of, family_conflict, named, resolved, source_hash
from hostler.planning.models import obstacle
from hostler_contract.importing import ImportProgress, ImportReason, ImportReport

RETRY_SECONDS = 600
"""After which a Job that ended because the hub was in trouble is made anew."""
_MESSAGE_LIMIT = 1000
_QUIET = (ModelReason.ARTIFACTS_AVAILABLE, ModelReason.IMPORTING)
WARNINGS = frozenset(reason.value for reason in ModelReason if reason not in _QUIET)
_REASONS = {ImportReason.INTERNAL: ModelReason.IMPORT_FAILED}
_KEPT = object()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the installation says."""

    now: str
    recheck: float
    allowed_endpoints: Sequence[EndpointPattern] = ()


def decide(seen: Observed, wanted: Import, terms: Terms) -> Plan:
    """The next step of one model."""
    imported = seen.imported
    if imported is not None and imported.complete and (imported.mounted or seen.claim is not None):
        return _imported(seen, terms)
    if rejected := reject_origin(
        seen.spec.artifacts.source, path="spec.artifacts.source", allowed=terms.allowed_endpoints
    ):
        return _plan(seen, terms, no(ModelReason.ENDPOINT_NOT_ALLOWED, rejected.message))
    if imported is not None and imported.complete:
        # Somebody has deleted the claim: the files come again.
        return _plan(seen, terms, unknown(ModelReason.IMPORTING, _AGAIN), delete=seen.spent, imported=None, requeue=1.0)
    if seen.job is None:
        children = import_children(wanted, enlarged=_size(seen))
        said = unknown(ModelReason.IMPORTING, "The files are to be brought into the namespace.")
        return _plan(seen, terms, said, apply=children, imported=_begun(seen), delete=seen.obsolete)
    report = seen.report
    if report is not None and report.image is not None:
        return _resolved(seen, report, terms)
    if report is not None and report.facts is not None:
        return _arrived(seen, report, wanted, terms)
    if seen.ended_at is not None:
        return _failed(seen, report, terms)
    if seen.refused:
        return _plan(seen, terms, no(ModelReason.CHILD_REFUSED, seen.refused), requeue=terms.recheck)
    begun = any(read.is_running(pod) for pod in seen.pods)
    transfer = _transfer(seen.progress) or (seen.imported.transfer if seen.imported else None)
    return _plan(
        seen,
        terms,
        unknown(ModelReason.IMPORTING, _under_way(seen, report, begun=begun)),
        imported=_begun(seen).model_copy(update={"transfer": transfer}),
        delete=seen.obsolete,
        # No watch tells of a pod that does not come, or does not begin.
        requeue=None if begun else terms.recheck,
    )


_ANEW = "The files are to be brought into the namespace once more."
_AGAIN = "Its claim is gone, so the files are brought into the namespace again."


def refused(seen: Observed, message: str, terms: Terms) -> Plan:
    """The API server will not take one of the children."""
    return _plan(seen, terms, no(ModelReason.CHILD_REFUSED, message), requeue=terms.recheck)


def _imported(seen: Observed, terms: Terms) -> Plan:
    """The files are there: what else counts is what counts for every model on a claim."""
    model = resolved(seen.spec, seen.status)
    done_with = (*seen.obsolete, *seen.spent)
    if found := obstacle(model, claim=seen.claim, namespace=seen.model["metadata"]["namespace"]):
        return _plan(seen, terms, no(found[0], found[1]), delete=done_with)
    return _plan(seen, terms, _ready(seen, seen.imported), delete=done_with)


def _resolved(seen: Observed, report: ImportReport, terms: Terms) -> Plan:
    """It is known which image it is: the next Job looks at it where it is mounted, or pulls it."""
    imported = ModelImport(
        source=source_hash(seen.spec.artifacts.source),
        image=report.image,
        mounted=report.mountable,
        revision=report.revision,
    )
    done_with = (*seen.obsolete, *seen.spent)
    how = "looked at where it is mounted" if report.mountable else "pulled"
    said = unknown(ModelReason.IMPORTING, f"{report.image} is to be {how}.")
    return _plan(seen, terms, said, imported=imported, delete=done_with, requeue=1.0)


def _ready(seen: Observed, imported: ModelImport | None) -> Said:
    source = seen.spec.artifacts.source
    assert imported is not None
    if imported.mounted:
        where = f", {imported.path}," if imported.path else ""
        text = f"{imported.image}{where} is mounted by whoever uses it."
        return yes(ModelReason.ARTIFACTS_AVAILABLE, text)
    at = (imported.revision or "").removeprefix("sha256:")[:12]
    text = f"{named(source)} at {at} is on claim {imported.claim_name}, {imported.path}."
    return yes(ModelReason.ARTIFACTS_AVAILABLE, text)


def _arrived(seen: Observed, report: ImportReport, wanted: Import, terms: Terms) -> Plan:
    found = report.facts
    assert found is not None
    if conflict := family_conflict(seen.spec, found.family):
        return _plan(seen, terms, no(ModelReason.UNSUPPORTED_ARCHITECTURE, f"{conflict}."), delete=seen.obsolete)
    before = _begun(seen)
    # What could be mounted once may have had to be pulled.
    mounted = wanted.step is Step.LOOK
    place = {"path": report.path} if mounted else _on_claim(seen)
    imported = ModelImport(
        source=before.source,
        image=before.image,
        mounted=mounted,
        **place,
        revision=report.revision,
        sha256=report.sha256,
        files=report.files,
        size_bytes=report.size_bytes,
        facts=ModelFacts.model_validate(found.model_dump()),
    )
    # The Job goes with the next look, when its word is in the status.
    return _plan(seen, terms, _ready(seen, imported), imported=imported, delete=seen.obsolete, requeue=1.0)


def _on_claim(seen: Observed) -> dict[str, Any]:
    return {"claim_name": import_claim(seen.name), "path": import_directory(seen.spec)}


def _failed(seen: Observed, report: ImportReport | None, terms: Terms) -> Plan:
    job = (seen.job or {})["metadata"]["name"]
    if report is None or report.reason is None:
        cause = cause_of(seen.pods, attempt=0) if seen.pods else None
        why = cause.message if cause is not None else "its pod is gone, and left no word"
        text = f"Job {job} ended without a report: {why.rstrip('.')}. Delete the Job, and the model is imported again."
        return _plan(seen, terms, no(ModelReason.IMPORT_FAILED, text), imported=_begun(seen), delete=seen.obsolete)
    reason = _REASONS.get(report.reason) or ModelReason(report.reason.value)
    said = _sentence(report.message or "")
    if report.reason.passing:
        left = RETRY_SECONDS - moments.elapsed(seen.ended_at or terms.now, now=terms.now)
        if left <= 0:
            again = unknown(ModelReason.IMPORTING, f"{_ANEW} Last time: {said}")
            return _plan(seen, terms, again, imported=_begun(seen), delete=(*seen.obsolete, *seen.spent), requeue=1.0)
        text = f"{said} It is tried again every {moments.duration(RETRY_SECONDS)}, or once Job {job} is deleted."
        return _plan(seen, terms, no(reason, text), imported=_begun(seen), delete=seen.obsolete, requeue=left)
    text = f"{said} It is tried again when the spec changes, or once Job {job} is deleted."
    return _plan(seen, terms, no(reason, text), imported=_begun(seen), delete=seen.obsolete)


def _under_way(seen: Observed, report: ImportReport | None, *, begun: bool) -> str:
    text = "The files are being brought into the namespace."
    if report is not None and report.message and not begun:
        return f"{text} The last pod gave up, and another one goes on: {_sentence(report.message)}"
    obstacles = [found[0] for pod in seen.pods if (found := read.start_obstacle(pod)) is not None]
    if begun or not (obstacles or seen.held_up):
        return text
    said = f"The files are to be brought into the namespace, but {obstacles[0]}." if obstacles else text
    return f"{said} {seen.held_up}".strip()


def _sentence(text: str) -> str:
    # As it is: many begin with a name or a URL, which has its own letters.
    return text.rstrip(".") + "."


def _begun(seen: Observed) -> ModelImport:
    """What is known before the files are there."""
    return seen.imported or ModelImport(source=source_hash(seen.spec.artifacts.source))


def _transfer(progress: ImportProgress | None) -> ImportTransfer | None:
    if progress is None:
        return None
    total, speed = progress.total_bytes, progress.bytes_per_second
    return ImportTransfer(
        # The last percent is looking at what has arrived.
        percent=None if not total else min(99, progress.bytes_done * 100 // total),
        bytes_done=progress.bytes_done,
        total_bytes=total,
        bytes_per_second=None if speed is None else round(speed),
        eta=None if progress.eta_seconds is None else moments.duration(progress.eta_seconds),
    )


def _size(seen: Observed) -> str | None:
    found: str | None = ((seen.claim or {}).get("spec") or {}).get("resources", {}).get("requests", {}).get("storage")
    return found


def _plan(
    seen: Observed,
    terms: Terms,
    said: Said,
    *,
    apply: tuple[dict[str, Any], ...] = (),
    delete: tuple[dict[str, Any], ...] = (),
    imported: ModelImport | object | None = _KEPT,
    requeue: float | None = None,
) -> Plan:
    before = seen.status
    found = before.imported if imported is _KEPT else imported
    assert found is None or isinstance(found, ModelImport)
    said = Said(status=said.status, reason=said.reason, message=said.message[:_MESSAGE_LIMIT])
    after = conditions(before.conditions, {ModelCondition.READY: said}, generation=seen.generation, now=terms.now)
    status = before.model_copy(
        update={
            "observed_generation": seen.generation,
            "conditions": after,
            "imported": found,
            "facts": facts_of(seen.spec, found),
            "used_by": tuple(seen.users[:USED_BY_LIMIT]),
        }
    )
    return Plan(
        apply=apply,
        delete=delete,
        status=status.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=WARNINGS),
        requeue_after=requeue,
    )
