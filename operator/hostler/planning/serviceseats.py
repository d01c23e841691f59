"""Which seats a service asks for: a pure answer from what it holds, what it needs and where its pods are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hostler.planning.resources import Resources
from hostler.planning.seats import together
from hostler.planning.verdicts import Seats


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a service has now."""

    seats: Seats
    """As its status says."""
    need: Resources
    """Of each pod, as its status says."""
    occupied: Seats
    """Where pods of it are."""
    gated: int
    """Pods that wait for a seat."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What it is to ask for; nothing where all is as it should be."""

    seats: Seats
    """Seats that stay as they are."""
    missing: int = 0
    """Seats that it needs beside them."""
    surge: int = 0
    """Seats that it could use beside them, for a while."""
    again: bool = False
    """Whether all seats have to be asked for anew, because each pod is to count with another amount."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to ask."""
        return not (self.missing or self.surge or self.again)


def wish(
    holding: Holding, *, need: Resources, replicas: int, usable: Collection[str], growing: bool, replacing: bool
) -> Wish:
    """What a service of so many replicas asks for.

    ``usable`` are nodes that take pods of its pool, ``growing`` is whether more pods are wanted than its Deployment
    asks for yet, ``replacing`` whether its replicas are being replaced: then one seat more lets the new one come before
    the old one goes.

    A seat on a node that takes no pods is lost unless a pod sits there: it could not be filled again. Seats that were
    taken back because no pods came are asked for again only when pods are there that need them, else a service whose
    pods are refused would hold seats for ever.
    """
    if holding.seats and holding.need != need and replacing:
        return Wish(seats=holding.seats, again=True, surge=1)
    # Of an earlier release, or after seats were taken back, nothing is written down: what runs is where it is.
    held = holding.seats or holding.occupied
    # Where nobody new can come, a seat is as good as the pod that sits there, and no use to the one that replaces it.
    stays = {} if replacing else holding.occupied
    good = {
        node: kept
        for node, pods in held.items()
        if (kept := pods if node in usable else min(pods, stays.get(node, 0))) > 0
    }
    have = sum(good.values())
    waiting = replicas if growing else min(replicas, sum(holding.occupied.values()) + holding.gated)
    wanted = max(waiting, min(replicas, sum(holding.seats.values())))
    missing = max(0, wanted - have)
    surge = 1 if replacing and have + missing <= replicas else 0
    return Wish(seats=together(good), missing=missing, surge=surge)


def settled(seats: Seats, *, occupied: Seats, replicas: int) -> Seats:
    """The seats of a service whose replicas all run: where they are, and no more."""
    total = sum(seats.values())
    if total <= replicas:
        return seats
    kept = {node: min(pods, occupied.get(node, 0)) for node, pods in seats.items()}
    return {node: pods for node, pods in kept.items() if pods} if sum(kept.values()) >= replicas else seats
