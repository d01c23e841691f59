"""Keeps the ledger: what jobs and services have cost, in ConfigMaps that outlive them.

Lines are written from the jobs' own statuses, all of them when the process begins and then those that have changed, at
most once in an interval for each namespace. A job that is deleted leaves its last count with the event that tells so;
of one that is deleted while no operator runs, the ledger has what it had cost when it was written last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from pydantic import ValidationError

from hostler.api.cost import HeldCost, JobCost
from hostler.cluster.store import Change
from hostler.controllers.costing import held_bill
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.trainingjob.costing import bill_of
from hostler.manifests.costledger import ledger_config_map, ledger_name, read_ledger
from hostler.planning.billing import Use
from hostler.planning.costledger import (
    MOST_LINES,
    Ledger,
    Line,
    Spent,
    folded,
    month_of,
    months_since,
    previous,
    totals,
    written,
)

_log = logging.getLogger(__name__)

INTERVAL_SECONDS = 30.0
"""Between two writes of one namespace's ledger."""
HELD_SECONDS = 300.0
"""Between two counts of what is held without any news: as much of a job's cost is lost at most when the job is deleted
while no operator runs."""
MOST_MONTHS = 25
"""Ledgers that are looked into for what a job had cost before: two years."""
_AT_ONCE = 100
"""Jobs that are counted before others get their turn."""
_KINDS = ("TrainingJob", "InferenceService")
_MILLIONTH = Decimal("0.000001")
"""To which sums are rounded, so that the same bill is the same line."""


class CostMetrics(Protocol):
    """What is reported of it."""

    def spent(self, *, namespace: str, pool: str, kind: str, device_seconds: int, money: dict[str, Decimal]) -> None:
        """So much more than was known before."""


class CostLedger:
    """One key for each namespace."""

    kind = "CostLedger"

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        place: str,
        metrics: CostMetrics | None = None,
        interval: float = INTERVAL_SECONDS,
        most: int = MOST_LINES,
    ) -> None:
        """``place`` is the namespace in which ledgers are kept, ``most`` the lines of one above which they are added
        up."""
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._place = place
        self._metrics = metrics
        self._interval = interval
        self._most = most
        self._news: dict[str, dict[str, tuple[str, Object]]] = {}
        """Kinds and objects that are to be counted, by namespace and UID."""
        self._gone: dict[str, dict[str, Spent]] = {}
        """The last count of those that were deleted."""
        self._kept: dict[tuple[str, str], Ledger] = {}
        """Ledgers as they were written, by namespace and month."""
        self._at: dict[str, float] = {}

    def seeds(self) -> Iterable[Key]:
        """Every namespace that has jobs, and all of these are news: whatever an earlier process left out."""
        # Another process may have led meanwhile, and written more.
        self._kept.clear()
        for kind in _KINDS:
            for obj in self._reader.list(kind):
                self._note(kind, obj)
        return [Key(self.kind, "", namespace) for namespace in sorted(self._news)]

    def affected(self, change: Change) -> Iterable[Key]:
        """The namespace of a job whose cost has changed, or that is gone."""
        if change.kind not in _KINDS:
            return []
        if change.old is not None and change.new is not None and _uid(change.old) != _uid(change.new):
            # A list after a gap of the watch has the next one of this name; nothing else tells that this one is gone.
            ended, made = Change(change.kind, change.old, None), Change(change.kind, None, change.new)
            return [*self.affected(ended), *self.affected(made)]
        obj = change.new or change.old
        if obj is None or _cost(change.old) == _cost(change.new):
            return []
        namespace = obj["metadata"]["namespace"]
        if change.new is not None:
            self._note(change.kind, change.new)
        elif (last := spent_of(change.kind, obj, now=self._clock.now())) is not None:
            self._news.get(namespace, {}).pop(last.uid, None)
            self._gone.setdefault(namespace, {})[last.uid] = last
        return [Key(self.kind, "", namespace)]

    def _note(self, kind: str, obj: Object) -> None:
        if _cost(obj):
            self._news.setdefault(obj["metadata"]["namespace"], {})[obj["metadata"]["uid"]] = (kind, obj)

    async def reconcile(self, key: Key) -> Outcome:
        """Write what is new."""
        namespace, now = key.name, self._clock.monotonic()
        left = self._at.get(namespace, now - self._interval) + self._interval - now
        if left > 0:
            return Outcome(requeue_after=left)
        news, gone = self._news.pop(namespace, {}), self._gone.pop(namespace, {})
        try:
            holds = await self._write(namespace, news=news, gone=gone)
        except BaseException:
            self._put_back(namespace, news=news, gone=gone)
            raise
        self._at[namespace] = now
        if holds is None:
            self._put_back(namespace, news=news, gone=gone)
            return Outcome(requeue_after=HELD_SECONDS)
        self._news.setdefault(namespace, {}).update(holds)
        return Outcome(requeue_after=HELD_SECONDS if holds else None)

    def _put_back(self, namespace: str, *, news: dict[str, tuple[str, Object]], gone: dict[str, Spent]) -> None:
        """Whatever was told meanwhile is newer."""
        self._news[namespace] = {**news, **self._news.get(namespace, {})}
        self._gone[namespace] = {**gone, **self._gone.get(namespace, {})}

    async def _write(
        self, namespace: str, *, news: dict[str, tuple[str, Object]], gone: dict[str, Spent]
    ) -> dict[str, tuple[str, Object]] | None:
        """Those of the news that still hold something; None where a ledger cannot be read, and nothing was written."""
        moment = self._clock.now()
        month = month_of(moment)
        before = await self._ledger(namespace, month)
        made = (_created(obj) for _, obj in news.values())
        begun = min([*made, *(spent.since for spent in gone.values())], default=month)
        earlier = await self._earlier(namespace, month, begun=begun)
        if before is None or earlier is None:
            return None
        after, holds = before, dict[str, tuple[str, Object]]()
        for count, (uid, (kind, obj)) in enumerate(news.items(), start=1):
            current = self._reader.get(kind, namespace=namespace, name=obj["metadata"]["name"])
            same = current is not None and current["metadata"]["uid"] == uid
            if current is None or not same:
                continue  # Its deletion is told by itself.
            if (spent := spent_of(kind, current, now=moment)) is not None:
                after = written(after, earlier, spent, now=moment)
            if (_cost(current) or {}).get("hold"):
                holds[uid] = (kind, current)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        for spent in gone.values():
            after = written(after, earlier, spent, now=moment)
        after = folded(after, is_there=lambda line: self._is_there(line, namespace), most=self._most)
        if after != before:
            wanted = ledger_config_map(after, namespace=namespace, month=month, place=self._place)
            await self._writer.apply(wanted)
            self._report(namespace, before, after)
            self._kept[namespace, month] = after
        return holds

    async def _earlier(self, namespace: str, month: str, *, begun: str) -> Ledger | None:
        """What months before have of each workload, the latest that has anything; None where one cannot be read. A job
        may have been silent for longer than a month, and be resumed then."""
        found: dict[str, Line] = {}
        months = months_since(min(begun, previous(month)), until=month)[1:MOST_MONTHS]
        for each in reversed(months):
            ledger = await self._ledger(namespace, each)
            if ledger is None:
                return None
            found.update(ledger)
        return found

    async def _ledger(self, namespace: str, month: str) -> Ledger | None:
        """As it was written; None where it cannot be read, which is a person's to mend."""
        if (namespace, month) not in self._kept:
            name = ledger_name(namespace, month)
            found = await self._reader.live("ConfigMap", namespace=self._place, name=name)
            try:
                self._kept[namespace, month] = read_ledger(found)
            except ValueError as error:
                _log.error("%s; nothing is written until it is mended or deleted", error)
                return None
        return self._kept[namespace, month]

    def _is_there(self, line: Line, namespace: str) -> bool:
        """Whether it will be written again: one that was deleted a moment ago has its last count still to come."""
        if line.uid in self._gone.get(namespace, {}):
            return True
        obj = self._reader.get(line.kind, namespace=namespace, name=line.name)
        return obj is not None and obj["metadata"]["uid"] == line.uid

    def _report(self, namespace: str, before: Ledger, after: Ledger) -> None:
        if self._metrics is None:
            return
        groups = {(line.pool, line.kind) for line in after.values()}
        for pool, kind in groups:
            was, now = (
                totals(line for line in ledger.values() if (line.pool, line.kind) == (pool, kind))
                for ledger in (before, after)
            )
            grown = {name: amount - was[1].get(name, Decimal(0)) for name, amount in now[1].items()}
            money = {name: amount for name, amount in grown.items() if amount > 0}
            seconds = max(0, now[0] - was[0])
            self._metrics.spent(namespace=namespace, pool=pool, kind=kind, device_seconds=seconds, money=money)


def spent_of(kind: str, obj: Object, *, now: str) -> Spent | None:
    """All that a job or service has cost until now; None where it has cost nothing, or its status is of another
    release."""
    cost, status = _cost(obj), obj.get("status") or {}
    if not cost:
        return None
    try:
        job = kind == "TrainingJob"
        bill = bill_of(JobCost.model_validate(cost)) if job else held_bill(HeldCost.model_validate(cost))
    except ValidationError:
        return None
    moment = now if bill.hold is not None else bill.as_of
    placement, spec = status.get("placement") or {}, obj.get("spec") or {}
    accelerators, chosen = spec.get("accelerators") or {}, (status.get("choice") or {}).get("pool")
    served = (spec.get("modelRef") or {}).get("name")
    return Spent(
        uid=str(obj["metadata"]["uid"]),
        kind=kind,
        name=str(obj["metadata"]["name"]),
        pool=str(placement.get("pool") or accelerators.get("pool") or chosen or ""),
        model=str(status.get("model") or served or ""),
        device_seconds=bill.device_seconds(moment),
        money={currency: amount.quantize(_MILLIONTH) for currency, amount in bill.total(moment).items()},
        lost_seconds=bill.use.get(Use.LOST, 0),
        until=moment,
        since=_created(obj),
    )


def _created(job: Object) -> str:
    return month_of(str(job["metadata"].get("creationTimestamp") or "9999-12"))


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def _cost(job: Object | None) -> Object | None:
    found: Object | None = ((job or {}).get("status") or {}).get("cost")
    return found
