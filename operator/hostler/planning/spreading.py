"""Seats that are spread over nodes or zones instead of packed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping

from hostler.planning.verdicts import Seats


def spread(fits: Iterable[tuple[str, int]], *, count: int, beside: Seats, zones: Mapping[str, str] | None) -> Seats:
    """Up to ``count`` seats, each in the domain with the fewest pods: among equals, the earlier node.

    ``fits`` has nodes in order of preference, each with the pods that it can take; ``beside`` are pods that are there
    already. A domain is a zone of ``zones``, by node, where nodes without a label are one more zone; without ``zones``,
    every node is its own. As a soft topology spread constraint, this never leaves a pod without a seat that exists.
    Cost: linear in nodes, logarithmic for each pod.
    """

    def domain(node: str) -> str:
        return node if zones is None else zones.get(node, "")

    rooms: dict[str, list[tuple[str, int]]] = {}
    first: dict[str, int] = {}
    for place, (node, fit) in enumerate(fits):
        if fit > 0:
            rooms.setdefault(domain(node), []).append((node, fit))
            first.setdefault(domain(node), place)
    there = Counter[str]()
    for node, pods in beside.items():
        there[domain(node)] += pods
    for room in rooms.values():
        room.reverse()
    line = [(there[name], first[name], name) for name in rooms]
    heapq.heapify(line)
    seats = Counter[str]()
    while line and seats.total() < count:
        pods, place, name = line[0]
        node, fit = rooms[name].pop()
        seats[node] += 1
        if fit > 1:
            rooms[name].append((node, fit - 1))
        if rooms[name]:
            heapq.heapreplace(line, (pods + 1, place, name))
        else:
            heapq.heappop(line)
    return dict(sorted(seats.items()))
