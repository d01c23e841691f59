"""Looking at a job until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hostler.cli.access import Access
from hostler.cli.jobview import End, changed_of, end_of, lines_of, loss_of
from hostler.cluster.errors import NotFound, TooManyRequests, Unavailable
from hostler.cluster.resources import resource_of

Object = dict[str, Any]
PAUSE = 1.0
"""Seconds between two looks."""
PATIENCE = 120.0
"""Seconds that the API server may be away before nobody waits for it any more."""


class Follower:
    """One job. ``show`` gets its lines whenever somebody should see them."""

    def __init__(self, access: Access, job: Object, *, console: Console) -> None:
        self._access = access
        self._job = job
        self._console = console
        self._pause = PAUSE
        self._losses: dict[int, float] = {}

    async def end(self) -> End:
        """Show how it goes until it ends. Raises ``Unavailable`` where the API server is away for too long."""
        if self._console.is_terminal:
            with Live(console=self._console, refresh_per_second=4, transient=False) as live:
                return await self._follow(lambda obj: live.update(self._frame(obj)))
        return await self._follow(self._line_where_changed())

    async def _follow(self, show: Callable[[Object], None]) -> End:
        silent_since: float | None = None
        while True:
            try:
                obj = await self._look()
            except (Unavailable, TooManyRequests):
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > PATIENCE:
                    raise
                await asyncio.sleep(self._pause)
                continue
            silent_since = None
            if obj is None:
                return End(succeeded=False, message="Somebody has deleted it.")
            if (known := loss_of(obj)) is not None:
                self._losses[known[0]] = known[1]
            show(obj)
            if (found := end_of(obj)) is not None:
                return found
            await asyncio.sleep(self._pause)

    async def _look(self) -> Object | None:
        """The very job: another one of its name is none of ours."""
        metadata = self._job["metadata"]
        try:
            found = await self._access.client.get(
                resource_of("TrainingJob"), namespace=metadata["namespace"], name=metadata["name"]
            )
        except NotFound:
            return None
        return found if found["metadata"]["uid"] == metadata["uid"] else None

    def _frame(self, obj: Object) -> Group:
        losses = [loss for _, loss in sorted(self._losses.items())]
        lines = lines_of(obj, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), losses=losses)
        return Group(*(Text(line) for line in lines))

    def _line_where_changed(self) -> Callable[[Object], None]:
        before: list[tuple[Any, ...]] = []

        def show(obj: Object) -> None:
            if before and before[0] == changed_of(obj):
                return
            before[:] = [changed_of(obj)]
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            click.echo("; ".join(lines_of(obj, now=now, losses=())))

        return show
