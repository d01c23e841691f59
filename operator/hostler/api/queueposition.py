"""Where a workload stands in its pool's line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.schema import StatusModel, Text, Timestamp


class ToldStart(StatusModel):
    """A forecast of a start as it was told."""

    told: Timestamp
    """When it was told."""
    expected_start: Timestamp
    """When the accelerators were expected."""
    earliest_start: Timestamp
    """When they could be there if those before it end early."""
    latest_start: Timestamp
    """When they are there if those before it end late."""


class QueuePosition(StatusModel):
    """What somebody in line wants to know. Absent unless the workload is in line."""

    position: Annotated[int, Field(ge=1)]
    """Place in the line of the pool, from 1; rounded up to tens after the first ten, to hundreds after the first
    hundred."""
    waiting: Annotated[int, Field(ge=1)]
    """How many were in that line when this was said, this one included; rounded likewise."""
    since: Timestamp
    """From when its age counts: its creation, whatever it did since."""
    expected_start: Timestamp | None = None
    """When it is expected to get its accelerators; absent where nobody can know."""
    earliest_start: Timestamp | None = None
    """When it could get them if those before it end early."""
    latest_start: Timestamp | None = None
    """When it gets them if those before it end late."""
    told: Timestamp | None = None
    """When the expected start was worked out. It is told anew once it is wrong by more than a tenth of the time left,
    and by more than a minute."""
    first: ToldStart | None = None
    """The first forecast that was told, against which the start is judged in the end."""
    message: Text = ""
    """What it needs, what there is, and whose end it waits for."""
    would_start: Text | None = None
    """What would let it start now; absent where nothing that anybody could change would."""
