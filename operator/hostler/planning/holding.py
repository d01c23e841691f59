"""What a reservation holds: on each node, and in its pool's unit. While a smaller or another seat is not written down
yet, what is written down counts beside it."""

from __future__ import annotations

from hostler.planning.pools import Pool
from hostler.planning.resources import Resources, largest, times
from hostler.planning.verdicts import Reservation


def same_seats(before: Reservation, after: Reservation) -> bool:
    """Whether nothing has moved on any node, and nothing is awaited that was not."""
    return (before.seats, before.need, before.pool, before.deadline, before.instead_of) == (
        after.seats,
        after.need,
        after.pool,
        after.deadline,
        after.instead_of,
    )


def nodes_of(reservation: Reservation) -> set[str]:
    """Where anything is held for it."""
    also = reservation.instead_of
    return {*reservation.seats, *(also.seats if also is not None else ())}


def amount_on(reservation: Reservation, node: str) -> Resources:
    """What is held for it on a node: the larger of what it is to have and what is still written down."""
    amount, also = times(reservation.seats.get(node, 0), reservation.need), reservation.instead_of
    return amount if also is None else largest(amount, times(also.seats.get(node, 0), also.need))


def units_of(reservation: Reservation, pool: Pool) -> int:
    """Likewise in the pool's unit."""
    units, also = reservation.pods * pool.units(reservation.need), reservation.instead_of
    return units if also is None or also.pool != pool.name else max(units, also.pods * pool.units(also.need))
