"""Everything that tells two clusters apart derives from the name alone, fits its limits and does not overlap."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import pytest
from tables import table

from hostler.local.errors import ConfigError
from hostler.local.naming import Names, names_of
from hostler.local.spec import MAX_NODES

CLUSTERS = [names_of(name, root=Path("/state")) for name in ("hostler", "test-nodes-0", "a", "x" * 32, "9-z")]


@pytest.mark.parametrize("names", CLUSTERS, ids=lambda names: names.cluster)
def test_parts_of_the_block_are_disjoint_and_inside(names: Names) -> None:
    parts = [names.pods, names.services, names.link]
    assert all(part.subnet_of(names.block) for part in parts)
    assert not any(one.overlaps(other) for one, other in combinations(parts, 2))


@pytest.mark.parametrize("names", CLUSTERS, ids=lambda names: names.cluster)
def test_every_node_has_addresses_of_its_own(names: Names) -> None:
    ranges = [names.pod_range(index) for index in range(MAX_NODES)]
    assert all(first in names.pods and last in names.pods for first, last in ranges)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(ranges))
    assert names.pod_gateway < ranges[0][0]
    nodes = [names.node_ip(index) for index in range(MAX_NODES)]
    assert len({*nodes, names.host_ip, names.api_ip, names.dns_server_ip}) == MAX_NODES + 3
    assert all(address in names.link for address in nodes)


def test_kernel_limits_hold_for_the_longest_name() -> None:
    assert all(len(names.veth) <= 15 for names in CLUSTERS), "an interface name has 15 characters at most"


def test_two_names_share_nothing() -> None:
    for one, other in combinations(CLUSTERS, 2):
        assert not one.block.overlaps(other.block)
        for attribute in ("netns", "veth", "nft_table", "cgroup", "state", "lock", "api_url"):
            assert getattr(one, attribute) != getattr(other, attribute), attribute


def test_a_name_always_means_the_same() -> None:
    names = names_of("hostler", root=Path("/state"))
    assert (str(names.block), names.veth, str(names.api_ip)) == ("10.136.0.0/18", "hl486d877019", "10.136.63.2")


@table(
    ("name", "why"),
    {
        "nothing": ("", "empty"),
        "capitals": ("Demo", "not a DNS label"),
        "a path": ("../etc", "would leave the state directory"),
        "a dash at the end": ("demo-", "not a DNS label"),
        "too long": ("x" * 33, "longer than 32"),
    },
)
def test_names_that_do_not_fit_everywhere_are_refused(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match="at most 32 lower-case letters"):
        names_of(name)
