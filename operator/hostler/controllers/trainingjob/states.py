"""The states of a TrainingJob. ``policies.classify`` finds the one that a moment is in."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Each has one action, in ``actions``."""

    RESUMED = auto()
    """Stopped for good by a limit that a person has raised since."""
    EXPIRED = auto()
    """It has ended, and has been kept for as long as its spec wants."""
    ENDED = auto()
    """Succeeded, or stopped for good."""
    REGISTERED = auto()
    """The Model is there; the claim passes to it, and the job has succeeded."""
    CLEARING = auto()
    """The newest attempt is counted as over, and its Job has to go."""
    COMPLETE = auto()
    """Every trainer ended well; the result is read, and the Model is written."""
    AWAITING_RESULT = auto()
    """The Job is complete, and the last words of its pods are still on their way."""
    AWAITING_END = auto()
    """The newest attempt has failed, and pods of it may still run."""
    FAILED = auto()
    """The newest attempt has failed, and is not counted yet."""
    VANISHED = auto()
    """The Job of the newest attempt is gone, and the attempt is not counted yet."""
    SUSPENDED = auto()
    """A person wants no pods."""
    OUT_OF_TIME = auto()
    """Its attempts have taken as long as its spec allows."""
    LIMIT_REACHED = auto()
    """It is about to cost as much, or take as long, as its spec allows."""
    OUTDATED = auto()
    """The running attempt was made from a spec that has changed since."""
    TAKEN_BACK = auto()
    """The running attempt has to give its seat to others."""
    PREEMPTED = auto()
    """It has to leave its seats, or some of them, for somebody else, and status does not say so yet."""
    CALLED_AWAY = auto()
    """Likewise between two attempts, while nothing of it runs."""
    GIVING_BACK = auto()
    """Its pods have left for somebody else, and it still holds what it has to give."""
    GROWING = auto()
    """The running attempt ends so that the next one has more pods."""
    BREAKING = auto()
    """A pod of the running attempt has ended early; the Job controller ends the others."""
    OVERDUE = auto()
    """Pods of the running attempt have been kept from starting for longer than its seat may be held."""
    TRAINING = auto()
    """All pods of the running attempt run, or have done their work."""
    STARTING = auto()
    """Pods of the running attempt are on their way."""
    AWAITING_PODS = auto()
    """No attempt is under way, but pods under this name may still run."""
    BACKING_OFF = auto()
    """The next attempt is not due yet."""
    REJECTED = auto()
    """The spec cannot be honoured until a person changes something."""
    SEAT_LOST = auto()
    """A seat was reserved and lost before an attempt could begin on it."""
    PREPARING = auto()
    """Its data is prepared, before it gets in line for a seat."""
    CONSIDERED = auto()
    """It is in line for a seat, and nobody has looked yet."""
    WAITING = auto()
    """There is no room now."""
    PLACED = auto()
    """The next attempt has a seat, and is created."""
