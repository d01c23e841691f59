"""What is to be done about a Dataset. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hostler.api.conditions import find
from hostler.api.dataset import MOST_CHARACTERS, MOST_ROLES, DatasetCondition, DatasetReason, DatasetStatus
from hostler.controllers.dataset.observed import Observed
from hostler.controllers.plan import Plan
from hostler.controllers.said import Said, change, conditions, no, unknown, yes
from hostler.manifests.datasetjob import (
    TRIES,
    continued_job,
    inspection_children,
    inspection_file,
    inspection_policy,
    interrupted_job,
    overdue_job,
    tries_of,
)
from hostler.manifests.downloads import NO_RULES, DownloadRules
from hostler.manifests.naming import inspection_name
from hostler.manifests.networkpolicy import TrafficRules
from hostler.manifests.podtemplate import Image
from hostler.planning import pods as read
from hostler.planning.acceptance import TRAINABLE_SOURCES
from hostler.planning.endpoints import EndpointPattern, reject_endpoint
from hostler.planning.failures import cause_of
from hostler_contract import DatasetReport, ErrorReason
from hostler_contract.dataset import RowError

MOST_ERRORS = 10
"""Errors that a status holds."""
MOST_NOTES = 16
_MESSAGE_LIMIT = 1000
_WARNINGS = frozenset(reason.value for reason in DatasetReason) - {DatasetReason.VALID, DatasetReason.INSPECTING}
_NOT_FOUND = {ErrorReason.DATASET_NOT_FOUND: DatasetReason.DATASET_NOT_FOUND}
_INVALID = {ErrorReason.DATASET_INVALID: DatasetReason.DATA_INVALID}
_SAID_OF_DATA = frozenset({*_NOT_FOUND.values(), *_INVALID.values(), DatasetReason.INSPECTION_FAILED})


def decide(
    seen: Observed,
    *,
    now: str,
    image: Image,
    recheck: float,
    allowed_endpoints: Sequence[EndpointPattern] = (),
    traffic: TrafficRules | None = None,
    downloads: DownloadRules = NO_RULES,
) -> Plan:
    """The next step of one dataset."""
    if no_endpoint := reject_endpoint(seen.spec.source, path="spec.source", allowed=allowed_endpoints):
        # Also of data that was looked at: a job that names it would send the credentials there.
        return plan_of(seen, no(DatasetReason.ENDPOINT_NOT_ALLOWED, no_endpoint.message), now=now)
    if seen.inspected:
        return plan_of(seen, _found(seen.status), now=now, delete=seen.obsolete)
    member = seen.spec.source.member
    if member not in TRAINABLE_SOURCES:
        text = f"spec.source.{member}: this release cannot read from {member}; use {' or '.join(TRAINABLE_SOURCES)}."
        return plan_of(seen, no(DatasetReason.SOURCE_NOT_SUPPORTED, text), now=now)
    if seen.missing and seen.job is None:
        return plan_of(seen, no(DatasetReason.DATASET_NOT_FOUND, seen.missing), now=now, requeue=recheck)
    if seen.job is None:
        children = inspection_children(
            seen.spec, seen.dataset["metadata"], image=image, traffic=traffic, downloads=downloads
        )
        return plan_of(seen, unknown(DatasetReason.INSPECTING, "The data is being looked at."), now=now, apply=children)
    report = seen.report
    if report is not None and report.reason is None:
        return _inspected(seen, report, now=now)
    if seen.job_ended and _was_said(seen, report):
        return plan_of(seen, None, now=now, delete=seen.obsolete)
    if seen.job_ended:
        return plan_of(seen, _failed(seen, report), now=now, delete=seen.obsolete)
    if seen.interrupted or seen.outlived:
        return _outlived(seen, seen.job, report, now=now, recheck=recheck)
    if seen.refused:
        return plan_of(seen, no(DatasetReason.CHILD_REFUSED, seen.refused[:_MESSAGE_LIMIT]), now=now, requeue=recheck)
    # No watch tells of a pod that does not come, or does not begin.
    begun = any(read.is_running(pod) for pod in seen.pods)
    said = unknown(DatasetReason.INSPECTING, _waiting(seen))
    policy = inspection_policy(seen.spec, seen.dataset["metadata"], traffic=traffic, downloads=downloads)
    upkeep = [policy] if policy else []
    if seen.file_missing:
        upkeep.append(inspection_file(seen.spec, seen.dataset["metadata"]))
    return plan_of(seen, said, now=now, apply=tuple(upkeep), requeue=None if begun else recheck)


def _outlived(
    seen: Observed, job: Mapping[str, Any], report: DatasetReport | None, *, now: str, recheck: float
) -> Plan:
    """An inspector has failed, and its pod goes on: the Job's controller, which would make the next pod, sees nothing.
    So the Job is suspended, which takes the pod away, and goes on: as often as it would have tried itself."""
    if seen.interrupted:
        gone = all(map(read.is_terminal, seen.pods))
        return plan_of(seen, None, now=now, apply=(continued_job(job),) if gone else (), requeue=recheck)
    tries, failed = tries_of(job) + 1, _failed(seen, report)
    if tries < TRIES and seen.failed:
        why = report.message if report is not None and report.message else _last_words(seen)
        text = f"The data is looked at again, because try {tries} of {TRIES} has failed: {why}"
        said = unknown(DatasetReason.INSPECTING, text[:_MESSAGE_LIMIT])
        return plan_of(seen, said, now=now, apply=(interrupted_job(job, tries=tries),), requeue=recheck)
    # Its Job is kept, because a person deletes it for another look, and is over as soon as that is read.
    return plan_of(seen, failed, now=now, apply=(overdue_job(job),), requeue=recheck)


def plan_of(
    seen: Observed,
    said: Said | None,
    *,
    now: str,
    apply: tuple[dict[str, Any], ...] = (),
    delete: tuple[dict[str, Any], ...] = (),
    requeue: float | None = None,
    figures: Mapping[str, Any] | None = None,
) -> Plan:
    """A plan with this condition (None leaves it as it is), and these figures in place of the earlier ones."""
    before = seen.status
    told = {DatasetCondition.READY: said} if said is not None else {}
    after = conditions(before.conditions, told, generation=seen.generation, now=now)
    status = DatasetStatus.model_validate(
        {
            **before.model_dump(),
            **(figures or {}),
            "observed_generation": seen.generation,
            "conditions": [condition.model_dump() for condition in after],
        }
    )
    return Plan(
        apply=apply,
        delete=delete,
        status=status.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=_WARNINGS),
        requeue_after=requeue,
    )


def _inspected(seen: Observed, report: DatasetReport, *, now: str) -> Plan:
    before = seen.status
    figures = {
        "inspected_generation": seen.generation,
        "inspected_at": now,
        "version": before.version + (report.sha256 != before.sha256),
        "sha256": report.sha256,
        "rows": report.rows,
        "files": report.files,
        "size_bytes": report.size_bytes,
        "roles": [role[:MOST_CHARACTERS] for role in report.roles[:MOST_ROLES]],
        "lengths": report.lengths and report.lengths.model_dump(),
        "packing": report.packing and _decimals(report.packing.model_dump()),
        "error_count": report.error_count,
        "errors": [_short(error) for error in report.errors[:MOST_ERRORS]],
        "notes": [note[:_MESSAGE_LIMIT] for note in report.notes[:MOST_NOTES]],
    }
    said = _found(DatasetStatus.model_validate(figures))
    return plan_of(seen, said, now=now, figures=figures, delete=seen.obsolete)


def _found(status: DatasetStatus) -> Said:
    """What the figures say."""
    if status.error_count:
        first = status.errors[0] if status.errors else None
        where = f", the first in {_place(first.file, first.row)}: {first.message}" if first else ""
        errors = "1 error" if status.error_count == 1 else f"{status.error_count:,} errors"
        return no(DatasetReason.DATA_INVALID, f"{errors}{where}"[:_MESSAGE_LIMIT])
    files = "1 file" if status.files == 1 else f"{status.files:,} files"
    said = " ".join((f"Version {status.version}: {status.rows:,} rows in {files}.", *status.notes))
    return yes(DatasetReason.VALID, said[:_MESSAGE_LIMIT])


def _was_said(seen: Observed, report: DatasetReport | None) -> bool:
    """Whether status has the words of a pod that is gone by now, and that its Job has lost with it."""
    ready = find(seen.status.conditions, DatasetCondition.READY)
    return (
        report is None
        and ready is not None
        and ready.observed_generation == seen.generation
        and ready.reason in _SAID_OF_DATA
    )


def _failed(seen: Observed, report: DatasetReport | None) -> Said:
    if report is not None and report.reason is not None:
        known = _NOT_FOUND | _INVALID
        return no(known.get(report.reason, DatasetReason.INSPECTION_FAILED), (report.message or "")[:_MESSAGE_LIMIT])
    name = inspection_name(seen.dataset["metadata"]["name"], seen.generation)
    why = _last_words(seen).rstrip(".")
    text = f"Job {name} ended without a report: {why}. Delete the Job, and the data is looked at again."
    return no(DatasetReason.INSPECTION_FAILED, text[:_MESSAGE_LIMIT])


def _last_words(seen: Observed) -> str:
    cause = cause_of(seen.pods, attempt=0) if seen.pods else None
    return cause.message if cause is not None else "its pod is gone, and left no word"


def _waiting(seen: Observed) -> str:
    obstacles = [found[0] for pod in seen.pods if (found := read.start_obstacle(pod)) is not None]
    if not obstacles and not seen.held_up:
        return "The data is being looked at."
    said = f"The data is to be looked at, but {obstacles[0]}." if obstacles else "The data is to be looked at."
    return f"{said} {seen.held_up}".strip()[:_MESSAGE_LIMIT]


def _place(file: str, row: int | None) -> str:
    return file if row is None else f"{file}:{row}"


def _short(error: RowError) -> dict[str, Any]:
    return {"file": error.file[-_MESSAGE_LIMIT:], "row": error.row, "message": error.message[:_MESSAGE_LIMIT]}


def _decimals(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The API knows no floats."""
    return {name: f"{figure:.4g}" if isinstance(figure, float) else figure for name, figure in figures.items()}
