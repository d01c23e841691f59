"""What a decision asks for, and the one executor that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hostler.cluster.errors import ApiError, Forbidden, Invalid, Taken
from hostler.controllers.ports import Object, Outcome, Writer


@dataclass(frozen=True, kw_only=True)
class Happening:
    """An Event about a state change."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Children first, status last: a status never claims what was not done. But for a reservation, which is a status:
    it has to be readable before the first thing is made that sits on it."""

    apply: tuple[Object, ...] = ()
    bind: tuple[tuple[Object, str], ...] = ()
    """Pods that get their seats."""
    delete: tuple[Object, ...] = ()
    status: Object
    reserves: bool = False
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
    if plan.reserves:
        await _patch_status(writer, about, plan)
    written = set()
    for child in plan.apply:
        try:
            if await writer.apply(child):
                written.add((child["kind"], child["metadata"]["name"]))
        except (Forbidden, Invalid, Taken) as error:
            raise RefusedError(child, error) from error
    for pod, node in plan.bind:
        await writer.bind(pod, node=node)
    for child in plan.delete:
        await writer.delete(child)
    return replace(plan, notices={child: said for child, said in plan.notices.items() if child in written})


async def write_status(writer: Writer, about: Object, plan: Plan) -> Outcome:
    """Status, then the Event that tells of it."""
    await _patch_status(writer, about, plan)
    for said in filter(None, (*plan.notices.values(), plan.happening)):
        await writer.event(about, reason=said.reason, message=said.message, warning=said.warning)
    return Outcome(requeue_after=plan.requeue_after)


async def _patch_status(writer: Writer, about: Object, plan: Plan) -> None:
    metadata = about["metadata"]
    await writer.patch_status(
        about["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata["uid"],
        status=plan.status,
    )
