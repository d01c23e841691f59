"""What a decision asks for, and the one executor that does it.

The log has one line for each thing that happened here: ``decided`` where the reason of Ready is another one, and one
for each child that was created, changed or deleted. A look after which nothing is different has none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hostler.cluster.errors import ApiError, Forbidden, Invalid, Taken
from hostler.controllers.ports import Key, Object, Outcome, Writer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """An Event about a state change."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Children first, status last: a status never claims what was not done. But for two facts that a status is the only
    record of: a reservation has to be readable before the first thing is made that sits on it, and the number of an
    attempt has to be used up before its Job goes."""

    apply: tuple[Object, ...] = ()
    bind: tuple[tuple[Object, str], ...] = ()
    """Pods that get their seats."""
    delete: tuple[Object, ...] = ()
    status: Object
    status_first: bool = False
    """Whether the status is written before the children."""
    happening: Happening | None = None
    notices: Mapping[tuple[str, str], Happening] = field(default_factory=dict)
    """Events about children that were put back, by kind and name; told only of those that were written."""
    requeue_after: float | None = None


class RefusedError(Exception):
    """The API server will not take a child as it is, and repeating does not help; the message is the server's own."""

    def __init__(self, child: Object, error: ApiError) -> None:
        super().__init__(f"{child['kind']} {child['metadata']['name']}: {error}")
        self.name_taken = isinstance(error, Taken)
        """Whether the name belongs to an object that is not ours."""


async def write_children(writer: Writer, about: Object, plan: Plan) -> Plan:
    """Apply, bind and delete, in order. Raises :class:`RefusedError` for what only a person can change.

    Returns the plan with those notices that are true: what an admission rule keeps otherwise is left so, in silence.
    """
    if plan.status_first:
        await _patch_status(writer, about, plan)
    written = set()
    for child in plan.apply:
        try:
            done = await writer.apply(child)
        except (Forbidden, Invalid, Taken) as error:
            raise RefusedError(child, error) from error
        if done:
            written.add((child["kind"], child["metadata"]["name"]))
            _tell(about, plan, done, child=_said(child))
    for pod, node in plan.bind:
        await writer.bind(pod, node=node)
    if plan.bind:
        _tell(about, plan, "bound", pods=len(plan.bind), nodes=len({node for _, node in plan.bind}))
    for child in plan.delete:
        if await writer.delete(child):
            _tell(about, plan, "deleted", child=_said(child))
    return replace(plan, notices={child: said for child, said in plan.notices.items() if child in written})


async def write_status(writer: Writer, about: Object, plan: Plan) -> Outcome:
    """Status, then the Event that tells of it."""
    await _patch_status(writer, about, plan)
    for said in filter(None, (*plan.notices.values(), plan.happening)):
        await writer.event(about, reason=said.reason, message=said.message, warning=said.warning)
    return Outcome(requeue_after=plan.requeue_after)


async def _patch_status(writer: Writer, about: Object, plan: Plan) -> None:
    metadata = about["metadata"]
    written = await writer.patch_status(
        about["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata["uid"],
        status=plan.status,
    )
    before, now = _ready(about.get("status") or {}), _ready(plan.status)
    if written and before.get("reason") != now.get("reason"):
        change = {"from": before.get("reason", ""), "to": now.get("reason", ""), "because": now.get("message", "")}
        _log.info("decided", extra={"key": _said(about), **change})


def _tell(about: Object, plan: Plan, what: str, **fields: object) -> None:
    """One line for a write that happened, and for whom."""
    _log.info(what, extra={"key": _said(about), **fields, "reason": _ready(plan.status).get("reason", "")})


def _ready(status: Object) -> Object:
    conditions = status.get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == "Ready"), {})


def _said(obj: Object) -> str:
    """As :class:`hostler.controllers.ports.Key` is written."""
    return str(Key(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
