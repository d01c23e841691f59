"""``--output`` and its short form ``--json``, on every command that has them."""

from __future__ import annotations

import json

import pytest
import yaml
from builders import make_pool
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.cli.main import main
from hostler.cli.output import requested

COMMANDS = (("pools",), ("queue",), ("get", "pools"))


@pytest.fixture(autouse=True)
def pool(kube: KubeServer) -> None:
    kube.put(make_pool("gpu"), plurals="acceleratorpools")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_json_yaml_and_the_short_form_say_the_same(command: tuple[str, ...]) -> None:
    def printed(*options: str) -> str:
        result = CliRunner().invoke(main, [*command, *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    facts = json.loads(printed("--output", "json"))
    assert facts
    for document in (json.loads(printed("--json")), yaml.safe_load(printed("-o", "yaml"))):
        if command == ("queue",):
            for each in (*facts, *document):
                each.pop("now", None)
        assert document == facts


def test_two_formats_at_once_are_refused() -> None:
    result = CliRunner().invoke(main, ["pools", "--json", "--output", "yaml"])
    assert result.exit_code == 2
    assert "--json and --output yaml ask for different things" in json.loads(result.stdout)["error"]["message"]


def test_a_failure_is_a_document_of_the_format_that_was_asked_for(kube: KubeServer) -> None:
    kube.errors["/"] = (503, {"message": "etcd is down"})
    done = CliRunner().invoke(main, ["pools", "-o", "yaml"])
    assert (done.exit_code, done.stderr) == (1, "")
    assert "etcd is down" in yaml.safe_load(done.stdout)["error"]["message"]


@table(
    ("arguments", "want"),
    {
        "nothing": ((), "table"),
        "the short form": (("--json",), "json"),
        "two words": (("--output", "yaml"), "yaml"),
        "one word": (("--output=yaml",), "yaml"),
        "the letter": (("-o", "json"), "json"),
        "the letter, stuck": (("-ojson",), "json"),
        "no value": (("-o",), "table"),
        "another value": (("-o", "wide"), "table"),
        "another option": (("--out", "json"), "table"),
    },
)
def test_the_format_is_known_before_the_arguments_are_right(arguments: tuple[str, ...], want: str) -> None:
    assert requested(arguments) == want
