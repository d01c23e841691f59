"""What is left of the nodes during a pass, and of which pools and volumes' nodes it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hostler.planning.resources import Resources, add, excess, subtract, times
from hostler.planning.room import Room
from hostler.planning.snapshot import Snapshot, Volumes
from hostler.planning.verdicts import Request, Seats

_Change = Callable[[Resources, int], Resources]
"""From what is free on a node and a number of pods to what is free then."""


class Stock:
    """Free is one figure for each node, so that pools with common nodes see what the others take."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.version = 0
        """Another one whenever anything that is free has become more or less."""
        self._snapshot = snapshot
        self._free = dict(snapshot.free)
        self._rooms: dict[tuple[str, Volumes], Room] = {}
        """Each pool, and the part of it that some volumes leave."""
        self._rooms_of: dict[str, list[Room]] = {}

    @property
    def free(self) -> Mapping[str, Resources]:
        """Of each node."""
        return self._free

    def room(self, pool: str, volumes: Volumes = ()) -> Room | None:
        """A pool, or those of its nodes that can mount these volumes; None where there is no such pool."""
        if pool not in self._snapshot.pools:
            return None
        if (pool, volumes) not in self._rooms:
            found = self._snapshot.pools[pool]
            if volumes and (whole := self.room(pool)) is not None:
                room = whole.part(found, self._free, within=self._snapshot.within.get(volumes, frozenset()))
            else:
                room = Room(found, self._free)
            self._rooms[pool, volumes] = room
            for node in room.levels:
                self._rooms_of.setdefault(node, []).append(room)
        return self._rooms[pool, volumes]

    def take(self, seats: Seats, need: Resources) -> None:
        """These seats are given."""
        self._change(seats, lambda free, pods: subtract(free, times(pods, need)))

    def give_back(self, seats: Seats, need: Resources) -> None:
        """These seats are free again; of nodes that are gone, nothing is."""
        here = {node: pods for node, pods in seats.items() if node in self._free}
        self._change(here, lambda free, pods: add(free, times(pods, need)))
        for room in self._rooms.values():
            room.forget_failures()

    def withhold(self, request: Request, seats: Seats) -> None:
        """Let nobody have what the request holds and is not to have any more."""
        before = request.held_need or request.need
        for node, pods in request.holding.items():
            if node in self._free:
                left = excess(times(pods, before), times(seats.get(node, 0), request.need))
                self.take({node: 1}, left)

    def _change(self, seats: Seats, change: _Change) -> None:
        self.version += 1
        for node, pods in seats.items():
            self._free[node] = change(self._free[node], pods)
            # A node of two pools has another level in each of them.
            for room in self._rooms_of.get(node, ()):
                room.move(node, self._free[node])
