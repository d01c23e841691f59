"""What happens to a few pools, from a seed alone: gangs that come and leave, and what gets in their way.

Events hang on how many gangs are over, not on time, so that a story is the same on a slow machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

DEVICES = 8
"""Of each node."""
POOLS = ("left", "right", "all")
"""The nodes in the middle are in the first two, every node is in the last one."""
_MEMBERS = (("left", "all"), ("left", "right", "all"), ("right", "all"))
_SHAPES = (
    (1, 1),
    (1, 4),
    (1, 8),
    (2, 2),
    (2, 4),
    (2, 8),
    (3, 3),
    (3, 8),
    (4, 2),
    (4, 5),
    (5, 4),
    (6, 1),
    (2, 5),
    (2, 7),
)
"""Pods, and devices of each. Those of 5 and 7 leave crumbs on a node, and those of 8 need nodes without any."""


class Trouble(Enum):
    """What gets in the way."""

    SQUATTER = auto()
    """A stranger's pod comes to a node at the moment at which a gang is promised seats there."""
    STRANGER_COMES = auto()
    """A stranger's pod comes to any node."""
    STRANGER_GOES = auto()
    NODE_GOES = auto()
    """A node disappears at the moment at which a gang is promised seats there; another one comes in its place."""
    OPERATOR_DIES = auto()
    """Killed, not told to stop."""


@dataclass(frozen=True, kw_only=True)
class Gang:
    """A job of equal pods that is nothing without all of them."""

    name: str
    pool: str
    pods: int
    devices: int
    """Of each pod."""
    leaves: bool
    """Whether somebody deletes the job when the first of its pods has a node."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """All of it, before it begins."""

    seed: int
    gangs: Sequence[Gang]
    nodes: Sequence[tuple[str, ...]]
    """Pools of each node."""
    troubles: Sequence[tuple[int, Trouble]] = field(default=())
    """After how many gangs, and what."""


def write_story(seed: int, *, gangs: int, nodes: int = 9, rough: bool, deaths: int = 0) -> Story:
    """The story of a seed. In one that is not rough, nobody but the gangs themselves wants anything."""
    dice = random.Random(seed)
    members = [_MEMBERS[number * len(_MEMBERS) // nodes] for number in range(nodes)]
    told = [_gang(dice, number, members, leaves=rough and dice.random() < 0.1) for number in range(gangs)]
    if not rough:
        return Story(seed=seed, gangs=told, nodes=members)
    kinds = (Trouble.SQUATTER, Trouble.NODE_GOES, Trouble.STRANGER_COMES, Trouble.STRANGER_GOES)
    drawn = ((number, dice.choices(kinds, weights=(2, 2, 1, 1))[0]) for number in range(1, gangs))
    troubles = [each for each in drawn if dice.random() < 0.3]
    troubles += [((number + 1) * gangs // (deaths + 1), Trouble.OPERATOR_DIES) for number in range(deaths)]
    troubles.sort(key=lambda each: each[0])
    return Story(seed=seed, gangs=told, nodes=members, troubles=troubles)


def _gang(dice: random.Random, number: int, members: Sequence[tuple[str, ...]], *, leaves: bool) -> Gang:
    pool = dice.choice(POOLS)
    room = sum(pool in each for each in members)
    # What the empty pool could not hold would be refused.
    pods, devices = dice.choice([(pods, each) for pods, each in _SHAPES if pods <= room * (DEVICES // each)])
    return Gang(name=f"gang-{number}", pool=pool, pods=pods, devices=devices, leaves=leaves)
