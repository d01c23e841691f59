"""Which URL is asked for which resource, and how a wrong --target is refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hostler.exporter.__main__ import main
from hostler.exporter.targets import Target, TargetError, Targets, parse_target


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("nvidia-t4=http://a/", Target("nvidia.com/gpu", "nvidia-t4", "http://a/"), id="by type"),
        pytest.param("nvidia.com/gpu=http://a/?b=c", Target("nvidia.com/gpu", None, "http://a/?b=c"), id="by resource"),
        pytest.param(
            "nvidia.com/mig-1g.10gb=http://a/", Target("nvidia.com/mig-1g.10gb", None, "http://a/"), id="by slice"
        ),
        pytest.param(
            "xilinx.com/fpga-u55-1=https://a/", Target("xilinx.com/fpga-u55-1", None, "https://a/"), id="by shell"
        ),
    ],
)
def test_targets(text: str, want: Target) -> None:
    assert parse_target(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("http://a/", "expected TYPE=URL", id="no key"),
        pytest.param("nvidia-t4=a:9400", "expected TYPE=URL", id="no URL"),
        pytest.param("nvidia-t5=http://a/", "no accelerator type", id="no such type"),
        pytest.param("amd-alveo-v70=http://a/", "RESOURCE=URL works", id="a type whose resource depends on the shell"),
        pytest.param("acme.com/x=http://a/", "no accelerator type has the resource", id="no such resource"),
    ],
)
def test_wrong_targets_say_what_is_right(text: str, want: str) -> None:
    with pytest.raises(TargetError, match=want):
        parse_target(text)


@pytest.mark.parametrize(
    ("resource", "want"),
    [
        pytest.param("nvidia.com/gpu", ["http://10.0.0.1:9400/metrics"], id="DCGM's port"),
        pytest.param("amd.com/gpu", ["http://10.0.0.1:5000/metrics"], id="AMD's port"),
        pytest.param("qualcomm.com/qaic", [], id="a vendor without an exporter"),
        pytest.param("example.com/soundcard", [], id="no accelerator at all"),
    ],
)
def test_default_urls(resource: str, want: list[str]) -> None:
    assert Targets(node_ip="10.0.0.1").urls(resource) == want


@pytest.mark.parametrize(
    ("resource", "want"),
    [
        pytest.param("nvidia.com/mig-1g.10gb", ["http://a/"], id="slices are measured where their card is"),
        pytest.param("nvidia.com/gpu.shared", ["http://a/"], id="and so are renamed shares"),
        pytest.param("amd.com/gpu", ["http://10.0.0.1:5000/metrics"], id="another vendor's are not"),
    ],
)
def test_a_target_serves_every_resource_of_its_exporter(resource: str, want: list[str]) -> None:
    targets = Targets(explicit=(parse_target("nvidia.com/gpu=http://a/"),), node_ip="10.0.0.1")
    assert targets.urls(resource) == want


def test_an_ipv6_node_gets_brackets() -> None:
    assert Targets(node_ip="fd00::1").urls("nvidia.com/gpu") == ["http://[fd00::1]:9400/metrics"]


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(["--node-ip", "10.0.0.1"], "--node-name", id="no node"),
        pytest.param(["--node-name", "n", "--node-ip", "i", "--target", "x"], "expected TYPE=URL", id="a wrong target"),
        pytest.param(["--node-name", "n", "--node-ip", "i", "--listen", "x"], "is not ADDRESS:PORT", id="no port"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(arguments: list[str], want: str) -> None:
    result = CliRunner().invoke(main, arguments, env={"NODE_NAME": None, "NODE_IP": None})
    assert result.exit_code == 2
    assert want in result.output
