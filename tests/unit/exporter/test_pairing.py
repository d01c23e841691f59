"""Random nodes, whole, shared and sliced, with an exporter that knows the pods well, badly or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hostler.accelerators import types_of_resource
from hostler.exporter.join import ResourceFacts, match
from hostler.exporter.reading import Quantity, Reading
from hostler.kubelet.podresources import Holder

GPU = "nvidia.com/gpu"
FORMS: tuple[Callable[[int, int], str], ...] = (
    lambda card, gi: f"nvidia{card}/gi{gi}",
    lambda card, gi: f"MIG-{1000 * card + gi}",
)
"""How slices are handed out: comparable with the exporter's names, and not."""


@dataclass
class Node:
    """The truth, and what the two sides say of it. A utilization is the fingerprint of its device."""

    rng: random.Random
    readings: list[Reading] = field(default_factory=list)
    holders: dict[str, Holder] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    truth: dict[float, set[Holder]] = field(default_factory=dict)
    pods: int = 0

    def add(self, card: int) -> None:
        self.cut(card) if self.rng.random() < 0.5 else self.hand_out(f"GPU-{card}", f"GPU-{card}", (str(card),))

    def cut(self, card: int) -> None:
        form = self.rng.choice(FORMS)
        for gi in range(self.rng.randint(1, 5)):
            name = f"GPU-{card}/{gi}"
            self.hand_out(form(card, gi), name, (f"nvidia{card}/{gi}",), parent=f"GPU-{card}")
        self.readings.append(
            Reading(f"GPU-{card}", (f"GPU-{card}", f"nvidia{card}"), {Quantity.POWER: 1.0}, None, frozenset())
        )

    def hand_out(self, device_id: str, name: str, keys: tuple[str, ...], *, parent: str = "") -> None:
        replicas = self.rng.choice([1, 1, 2, 4])
        ids = [device_id] if replicas == 1 else [f"{device_id}::{n}" for n in range(replicas)]
        self.ids |= set(ids)
        held = {each: self.pod() for each in ids if self.rng.random() < 0.6}
        self.holders |= held
        fingerprint = len(self.readings) / 1000
        self.truth[fingerprint] = set(held.values())
        said = self.said(list(held.values()))
        self.readings.append(Reading(name, (name, *keys), {Quantity.UTILIZATION: fingerprint}, None, said, parent))

    def pod(self) -> Holder:
        """A new one, or one that holds something else already."""
        self.pods += self.rng.random() < 0.7
        return Holder("team", f"pod-{self.pods}", "main")

    def said(self, held: list[Holder]) -> frozenset[Holder]:
        """What the exporter says: one of the pods, nothing, or a pod that has ended."""
        kind = self.rng.random()
        if kind < 0.2:
            return frozenset([Holder("team", f"ended-{len(self.readings)}", "main")])
        return frozenset(self.rng.sample(held, 1)) if held and kind < 0.8 else frozenset()


@pytest.mark.parametrize("seed", range(200))
def test_nobody_is_given_anothers_device_and_each_is_there_once(seed: int) -> None:
    node = Node(random.Random(seed))
    for card in range(node.rng.randint(1, 6)):
        node.add(card)
    facts = ResourceFacts(
        resource=GPU,
        candidates=types_of_resource(GPU),
        readings=node.readings,
        allocatable=frozenset(node.ids),
        holders=node.holders,
    )
    devices = match(facts).devices
    assert len({device.device for device in devices}) == len(devices) == len(node.readings)
    for device in devices:
        fingerprint = device.values.get(Quantity.UTILIZATION)
        if fingerprint is not None:
            assert set(device.held) <= node.truth[fingerprint], device.device
        assert sum(device.held.values()) <= device.shares
