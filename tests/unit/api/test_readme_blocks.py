"""What README.md and the pages show can be used as it stands: objects are valid, commands and files exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from tables import table

from hostler.api.kinds import KINDS
from hostler.api.trainingjob import TrainingJobSpec
from hostler.cli.main import main as hostler
from hostler.demo.conversations import FILE, conversations
from hostler_data.describe import describe
from hostler_data.files import files_below
from hostler_data.records import open_records

ROOT = Path(__file__).parents[3]
SPECS = {kind.kind: kind.spec for kind in KINDS}
README = (ROOT / "README.md").read_text()


def blocks(page: Path) -> Iterator[Any]:
    """The YAML documents of a page."""
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        yield from yaml.safe_load_all(block)


def objects(page: Path) -> list[dict[str, Any]]:
    """Those that are whole objects."""
    return [found for found in blocks(page) if isinstance(found, dict) and "kind" in found and "spec" in found]


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if objects(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_objects_on_a_page_are_valid(page: Path) -> None:
    for found in objects(page):
        SPECS[found["kind"]].model_validate(found["spec"])


def readme_job() -> dict[str, Any]:
    """README.md's job."""
    (found,) = objects(ROOT / "README.md")
    return found


def test_readmes_job_reads_the_demos_conversations_as_conversations(tmp_path: Path) -> None:
    spec = TrainingJobSpec.model_validate(readme_job()["spec"])
    assert spec.dataset.source is not None
    assert spec.dataset.source.config_map is not None
    assert spec.dataset.source.config_map.key == FILE
    (tmp_path / FILE).write_text(conversations())

    records = open_records(files_below(tmp_path), root=tmp_path, format=spec.dataset.format.value)
    report = describe(records, family=spec.family.value)

    assert (report.valid, report.roles, report.notes) == (True, ["messages"], [])
    # Only conversations have answers that can be right.
    assert [gate.metric for gate in spec.evaluation.gates] == ["answer_accuracy"]


def test_readmes_job_is_a_part_of_the_example_that_it_names() -> None:
    example = yaml.safe_load((ROOT / "examples/chat/trainingjob.yaml").read_text())

    assert missing_in(example, readme_job()) == []


def missing_in(whole: Any, part: Any, path: str = "") -> list[str]:
    """Paths at which ``part`` says something else than ``whole``."""
    if isinstance(part, dict):
        return [lack for key, value in part.items() for lack in missing_in(whole.get(key, {}), value, f"{path}.{key}")]
    return [] if part == whole else [f"{path}: {part!r} is {whole!r} there"]


@table(
    "whole, part, want",
    {
        "the same": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, []),
        "another value": ({"a": {"b": 1}}, {"a": {"b": 2}}, [".a.b: 2 is 1 there"]),
        "one that is not there": ({"a": {}}, {"a": {"b": 2}}, [".a.b: 2 is {} there"]),
    },
)
def test_what_is_missing_is_found(whole: Any, part: Any, want: list[str]) -> None:
    assert missing_in(whole, part) == want


def commands(program: str) -> list[list[str]]:
    """Lines of README.md's indented blocks that call a program, as words, without comments."""
    lines = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    return [line.partition("#")[0].split() for line in lines if line.split()[:1] == [program]]


def test_readmes_targets_exist() -> None:
    makefiles = [ROOT / "Makefile", *(ROOT / "make").glob("*")]
    targets = {target for file in makefiles for target in re.findall(r"^([\w-]+):", file.read_text(), re.MULTILINE)}
    called = [words[1] for words in commands("make")]

    assert called
    assert set(called) <= targets


def test_readmes_commands_exist() -> None:
    called = [words[1:] for words in commands("hostler")]
    assert called
    for words in called:
        command: click.Command = hostler
        while words and isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, f"hostler has no command {words[0]}"
            command, words = found, words[1:]


def test_readmes_files_exist() -> None:
    words = {word for program in ("kubectl", "helm") for command in commands(program) for word in command}
    files = {word for word in words if word.startswith(("examples/", "helm/"))}

    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
