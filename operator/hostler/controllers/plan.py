"""What a decision asks for, and the one executor that does it."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Children first, status last: a status never claims what was not done."""

    apply: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()
    status: Object
    happening: Happening | None = None
    notices: tuple[Happening, ...] = ()
    """Events beside the one about a condition, such as of a child that was put back."""
    requeue_after: float | None = None


class RefusedError(Exception):
    """The API server will not take a child as it is, and repeating does not help; the message is the server's own."""

    def __init__(self, child: Object, error: ApiError) -> None:
        super().__init__(f"{child['kind']} {child['metadata']['name']}: {error}")
        self.name_taken = isinstance(error, Taken)
        """Whether the name belongs to an object that is not ours."""


async def write_children(writer: Writer, plan: Plan) -> None:
    """Apply and delete, in order. Raises :class:`RefusedError` for what only a person can change."""
    for child in plan.apply:
        try:
            await writer.apply(child)
        except (Forbidden, Invalid, Taken) as error:
            raise RefusedError(child, error) from error
    for child in plan.delete:
        await writer.delete(child)


async def write_status(writer: Writer, about: Object, plan: Plan) -> Outcome:
    """Status, then the Event that tells of it."""
    metadata = about["metadata"]
    await writer.patch_status(
        about["kind"],
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata["uid"],
        status=plan.status,
    )
    for said in filter(None, (*plan.notices, plan.happening)):
        await writer.event(about, reason=said.reason, message=said.message, warning=said.warning)
    return Outcome(requeue_after=plan.requeue_after)
