"""A job under way in a few lines: where it stands, how far it is, what it has cost. From the object alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hostler.cli.estimateview import cost_sentences
from hostler.cli.lineview import condition, in_time, queue_of

Object = dict[str, Any]
_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARKS = 40
"""Losses that a sparkline shows."""
_BAR = 30


@dataclass(frozen=True, kw_only=True)
class End:
    """How a job ended."""

    succeeded: bool
    message: str


def state_of(obj: Object) -> str:
    """In one word."""
    if obj["metadata"].get("deletionTimestamp"):
        return "BeingDeleted"
    return str(condition(obj, "Ready").get("reason") or "Pending")


def end_of(obj: Object) -> End | None:
    """None while it is under way."""
    succeeded, stalled = condition(obj, "Succeeded"), condition(obj, "Stalled")
    if succeeded.get("status") == "True":
        return End(succeeded=True, message=str(succeeded.get("message") or "It has succeeded."))
    if stalled.get("status") == "True":
        return End(succeeded=False, message=f"{stalled.get('reason')}: {stalled.get('message')}")
    accepted = condition(obj, "Accepted")
    if accepted.get("status") == "False" and accepted.get("observedGeneration") == obj["metadata"].get("generation"):
        stays = "The job stays, and is looked at again when that changes."
        return End(succeeded=False, message=f"{accepted.get('reason')}: {accepted.get('message')} {stays}")
    return None


def loss_of(obj: Object) -> tuple[int, float] | None:
    """Step and loss of the newest progress; None where there is none, or it is no number."""
    progress = (obj.get("status") or {}).get("progress") or {}
    try:
        return int(progress["step"]), float(progress["loss"])
    except (KeyError, TypeError, ValueError):
        return None


def lines_of(obj: Object, *, now: str, losses: Sequence[float]) -> list[str]:
    """For a terminal, the state first."""
    status = obj.get("status") or {}
    found = [f"{obj['metadata']['name']}: {state_of(obj)}{_in_line(obj, now=now)}"]
    message = condition(obj, "Ready").get("message")
    if message and condition(obj, "Ready").get("status") != "True":
        found.append(str(message))
    progress = status.get("progress") or {}
    if progress.get("percent") is not None and not queue_of(obj):
        found.append(_progress(progress))
    if len(losses) > 1:
        found.append(f"loss {sparkline(losses)} {losses[-1]:.4g}")
    found += list(cost_sentences(obj, now=now))[:1]
    return found


def changed_of(obj: Object) -> tuple[Any, ...]:
    """What a new line is printed for where there is no terminal: the state, the place in line, each tenth."""
    percent = ((obj.get("status") or {}).get("progress") or {}).get("percent")
    tenth = None if percent is None or queue_of(obj) else int(percent) // 10
    return state_of(obj), queue_of(obj).get("position"), tenth


def sparkline(values: Sequence[float]) -> str:
    """The newest values as blocks between the smallest and the largest of them; what is no number is a gap."""
    shown = list(values)[-_SPARKS:]
    known = [value for value in shown if abs(value) < float("inf")]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = high - low or 1.0
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / span * top)] if abs(value) < float("inf") else " " for value in shown)


def _in_line(obj: Object, *, now: str) -> str:
    queue = queue_of(obj)
    if not queue:
        return ""
    soon = in_time(queue.get("expectedStart"), now=now)
    expected = f", expected to start {'now' if soon == 'now' else f'in {soon}'}" if soon else ""
    return f", number {queue.get('position', '?')} in line{expected}"


def _progress(progress: Object) -> str:
    percent = max(0, min(100, int(progress["percent"])))
    done = percent * _BAR // 100
    parts = [f"[{'#' * done}{'.' * (_BAR - done)}] {percent}%"]
    if progress.get("totalSteps"):
        parts.append(f"step {progress.get('step', 0)} of {progress['totalSteps']}")
    if speed := progress.get("speed"):
        parts.append(f"{speed.get('value')} {speed.get('unit')}")
    if progress.get("eta"):
        parts.append(f"{progress['eta']} to go")
    return ", ".join(parts)
