"""Progress with elapsed time per stage: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)


@dataclass
class Stages:
    """Times named stages and shows them; use one instance for one command."""

    console: Console = field(default_factory=_stderr)
    clock: Callable[[], float] = time.monotonic
    finished: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[str], None]]:
        """Run a block as a stage; the yielded function shows what the stage is doing right now."""
        start = self.clock()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(title)

            def note(text: str) -> None:
                progress.update(task, description=f"{title}: {text}")
                if not self.console.is_terminal:
                    self.console.print(f"           {title}: {text}", soft_wrap=True)

            try:
                yield note
            except BaseException:
                self.console.print(f"[red]failed[/] {title} after {self.clock() - start:.1f} s", soft_wrap=True)
                raise
        seconds = self.clock() - start
        self.finished.append((title, seconds))
        self.console.print(f"[green]{seconds:7.1f} s[/]  {title}", soft_wrap=True)

    def table(self) -> Table:
        """All finished stages with their seconds, for the end of a command."""
        table = Table("stage", "seconds")
        for title, seconds in self.finished:
            table.add_row(title, f"{seconds:.1f}")
        table.add_row("total", f"{sum(seconds for _, seconds in self.finished):.1f}", style="bold")
        return table
