"""Where a workload stands in its pool's line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler.api.schema import StatusModel, Text, Timestamp


class QueuePosition(StatusModel):
    """What somebody in line wants to know. Absent unless the workload is in line."""

    position: Annotated[int, Field(ge=1)]
    """Place in the line of the pool, from 1."""
    waiting: Annotated[int, Field(ge=1)]
    """How many are in that line, this one included."""
    since: Timestamp
    """When it came in line; kept when it has to leave its seats and comes back."""
    expected_start: Timestamp | None = None
    """When it is expected to get its accelerators; absent where nobody can know."""
    earliest_start: Timestamp | None = None
    """When it could get them if those before it end early."""
    latest_start: Timestamp | None = None
    """When it gets them if those before it end late."""
    message: Text = ""
    """What it needs, what there is, and whose end it waits for."""
    would_start: Text | None = None
    """What would let it start now; absent where nothing in the spec would."""
