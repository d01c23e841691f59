"""What was spent in a namespace in a month, in lines that outlive their jobs. Pure.

A line has the part of one workload's cost that fell into the month. It is written from the workload's own count of all
that it has cost so far, minus what earlier months have of it, so writing it again changes nothing, and a line that was
lost with a crash is the same when it is written next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

MOST_LINES = 5000
"""Lines of workloads that are gone are added up into one for each pool, the oldest first, above this number."""
OTHERS = "others"
"""Name of such a line."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one workload has cost in the month."""

    uid: str
    kind: str
    name: str
    pool: str
    model: str = ""
    device_seconds: int = 0
    money: Mapping[str, Decimal] = field(default_factory=dict)
    """By currency."""
    lost_seconds: int = 0
    """Of the device seconds, those whose work was lost."""
    until: str = ""
    """RFC 3339: as of when."""
    before: tuple[int, Mapping[str, Decimal], int] = (0, {}, 0)
    """What earlier months have of it: device seconds, money, and lost ones."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """All that a workload has cost since it was made."""

    uid: str
    kind: str
    name: str
    pool: str
    model: str = ""
    device_seconds: int
    money: Mapping[str, Decimal]
    lost_seconds: int = 0
    until: str
    """RFC 3339: as of when."""
    since: str = "9999-12"
    """The month in which it was made: no ledger before it has anything of it."""


Ledger = Mapping[str, Line]
"""Of one namespace and month, by UID."""


def month_of(moment: str) -> str:
    """``2026-12`` of a moment in RFC 3339, in UTC as all of them are."""
    return moment[:7]


def previous(month: str) -> str:
    """The month before."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02d}"


def months_since(first: str, *, until: str) -> list[str]:
    """Months from the first one to that of a moment."""
    found = [month_of(until)]
    while found[-1] > first:
        found.append(previous(found[-1]))
    return found


def written(ledger: Ledger, earlier: Ledger, spent: Spent, *, now: str | None = None) -> Ledger:
    """The ledger with what is known of a workload now; ``earlier`` is what months before have, of each workload the
    newest line. Of two counts the later one stays, but not one from after ``now``: the clock was wrong then."""
    line = ledger.get(spent.uid)
    if line is not None and spent.until < line.until <= (now or line.until):
        return ledger
    before = line.before if line is not None else _carried(earlier.get(spent.uid))
    seconds, money, lost = before
    found = Line(
        uid=spent.uid,
        kind=spent.kind,
        name=spent.name,
        pool=spent.pool,
        model=spent.model,
        device_seconds=max(0, spent.device_seconds - seconds),
        money={
            currency: rest
            for currency, amount in spent.money.items()
            if (rest := amount - money.get(currency, Decimal(0))) > 0
        },
        lost_seconds=max(0, spent.lost_seconds - lost),
        until=spent.until,
        before=before,
    )
    if line is None and not found.device_seconds:
        return ledger  # All of it was in earlier months.
    if line is not None and replace(found, until=line.until) == line:
        return ledger
    return {**ledger, spent.uid: found}


def folded(ledger: Ledger, *, is_there: Callable[[Line], bool], most: int = MOST_LINES) -> Ledger:
    """At most so many lines, as far as their workloads are gone: one that is there would come back by itself, and then
    count twice."""
    surplus = len(ledger) - most
    if surplus <= 0:
        return ledger
    gone = sorted((line for line in ledger.values() if not _is_sum(line) and not is_there(line)), key=_age)
    going = {line.uid for line in gone[:surplus]}
    if not going:
        return ledger
    kept = {uid: line for uid, line in ledger.items() if uid not in going}
    for line in gone[:surplus]:
        uid = f"{OTHERS}/{line.kind}/{line.pool}"
        kept[uid] = _sum(kept.get(uid), line, uid=uid)
    return kept


def totals(lines: Iterable[Line]) -> tuple[int, dict[str, Decimal]]:
    """Device seconds, and money by currency."""
    seconds, money = 0, dict[str, Decimal]()
    for line in lines:
        seconds += line.device_seconds
        for currency, amount in line.money.items():
            money[currency] = money.get(currency, Decimal(0)) + amount
    return seconds, money


def _is_sum(line: Line) -> bool:
    return line.uid.startswith(f"{OTHERS}/")


def _age(line: Line) -> tuple[str, str]:
    return line.until, line.uid


def _carried(line: Line | None) -> tuple[int, Mapping[str, Decimal], int]:
    if line is None:
        return 0, {}, 0
    seconds, money, lost = line.before
    whole = {name: money.get(name, Decimal(0)) + line.money.get(name, Decimal(0)) for name in {**money, **line.money}}
    return seconds + line.device_seconds, whole, lost + line.lost_seconds


def _sum(found: Line | None, line: Line, *, uid: str) -> Line:
    known = found or Line(uid=uid, kind=line.kind, name=OTHERS, pool=line.pool)
    _, money = totals((known, line))
    return replace(
        known,
        device_seconds=known.device_seconds + line.device_seconds,
        money=money,
        lost_seconds=known.lost_seconds + line.lost_seconds,
        until=max(known.until, line.until),
    )
