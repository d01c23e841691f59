"""Models that answer whole requests: what waits when the model becomes free, and fits together, is the next batch.

Nobody waits for a batch to fill up: an idle model begins at once, and what arrives meanwhile forms the next batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from hostler_runtime.protocols.serving import BatchModel, PromptRejectedError
from hostler_runtime.protocols.tasks import TaskRequest, TaskResult
from hostler_runtime.server.line import Entry, Failed, Line
from hostler_runtime.server.observer import Run


@dataclass(frozen=True, slots=True)
class Done:
    """A task's result, and where it stands in its request."""

    index: int
    result: TaskResult


@dataclass(frozen=True, slots=True)
class Rejected:
    """The model cannot take a task, as it found out only while working on it."""

    error: PromptRejectedError


@dataclass(slots=True, kw_only=True, eq=False)
class Task(Entry):
    """One request on its way through the engine."""

    request: TaskRequest
    key: Hashable
    """Tasks of one key may share a batch."""
    index: int = 0
    alone: bool = False
    """A batch with it failed; it must not take others with it again."""


class BatchWorker:
    """A ``Worker`` over batches of tasks with one key."""

    def __init__(
        self, model: BatchModel, *, line: Line, observe: Callable[[Run], None], clock: Callable[[], float]
    ) -> None:
        self._model = model
        self._line = line
        self._observe = observe
        self._clock = clock
        line.joinable = False

    def turn(self) -> None:
        """Run one batch and hand out what it brings."""
        tasks: list[Task] = self._line.admit(oldest_key)
        if not tasks:
            return
        started = self._clock()
        try:
            report = self._model.run_batch([task.request for task in tasks])
        except PromptRejectedError as error:
            if len(tasks) > 1:
                raise
            # The request's fault and no failure of the model, which has done its work by saying so.
            self._deliver(tasks, [Rejected(error)])
            return
        if len(report.results) != len(tasks):
            raise RuntimeError(f"{len(tasks)} requests brought {len(report.results)} results")
        self._observe(Run(len(tasks), self._clock() - started, report))
        self._deliver(tasks, [Done(task.index, result) for task, result in zip(tasks, report.results, strict=True)])

    def recover(self, error: Exception) -> None:
        """A batch failed: run each of its tasks on its own, because one of them may be the cause; one alone fails."""
        tasks: list[Task] = self._line.members()
        if len(tasks) > 1:
            for task in tasks:
                task.alone = True
            self._line.put_back(tasks)
            return
        self._deliver(tasks, [Failed(f"the model failed: {type(error).__name__}: {error}")] * len(tasks))

    def _deliver(self, tasks: Sequence[Task], outcomes: Sequence[Done | Rejected | Failed]) -> None:
        by_task = {id(task): outcome for task, outcome in zip(tasks, outcomes, strict=True)}
        for task in self._line.complete(tasks):
            task.deliver(by_task[id(task)])


def oldest_key(waiting: Sequence[Task], free: int) -> Sequence[Task]:
    """All that fit together with the one who has waited longest, so that no key is ever passed over for good."""
    first = waiting[0]
    if first.alone:
        return [first]
    return [task for task in waiting if task.key == first.key and not task.alone][:free]
