"""The three conditions of a service in each of its states."""

from __future__ import annotations

from hostler.api.inferenceservice import ServiceCondition as C
from hostler.api.inferenceservice import ServiceReason as R
from hostler.controllers.said import Said, no, unknown, yes

Wording = dict[str, Said]

WARNINGS = frozenset(reason.value for reason in (R.REPLICA_FAILED, R.NOT_ADMITTED, R.CHILD_REFUSED, R.NO_ENDPOINTS))
"""Reasons of Ready whose Event is a warning."""

_VALID = yes(R.VALID, "The spec can be honoured.")


def rejected(reason: str, message: str) -> Wording:
    """Nothing is made or changed until a person changes something."""
    considered = unknown(R.PENDING, "Not considered: the service is not accepted.")
    return {C.ACCEPTED: no(reason, message), C.ADMITTED: considered, C.READY: no(R.NOT_ADMITTED, message)}


def waiting(reason: str, message: str) -> Wording:
    """Accepted, but something is missing now."""
    return {C.ACCEPTED: _VALID, C.ADMITTED: no(reason, message), C.READY: no(R.NOT_ADMITTED, message)}


def admitted(placement: str, ready: Said) -> Wording:
    """The replicas have their place."""
    return {C.ACCEPTED: _VALID, C.ADMITTED: yes(R.PLACED, placement), C.READY: ready}


def refused(message: str) -> Wording:
    """The API server will not take a child."""
    considered = unknown(R.PENDING, message)
    return {C.ACCEPTED: _VALID, C.ADMITTED: considered, C.READY: no(R.CHILD_REFUSED, message)}


def replicas(count: int) -> str:
    """``2 replicas``."""
    return f"{count} replica" if count == 1 else f"{count} replicas"


def verb(count: int, plural: str, singular: str) -> str:
    """The form that goes with a count."""
    return singular if count == 1 else plural
