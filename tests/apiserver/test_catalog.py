"""The chart's catalog before a real API server, and what `hostler use` and `hostler tune` make of it."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.charts import CHART, NAMESPACE, named, template
from click.testing import CliRunner
from kubeclient import KubeClient

from hostler.catalog import entries
from hostler.cli.main import main

Object = dict[str, Any]
KNOWN = ("--api-versions", "hostler.dev/v1alpha1/ClusterModel")


def rendered(helm: Path, *values: str) -> dict[str, Object]:
    """Entries as the chart has them for an API server that knows ClusterModels."""
    sets = [part for value in values for part in ("--set", value)]
    command = [str(helm), "template", "hostler", str(CHART), "-n", NAMESPACE, "--kube-version", "1.34.0", *KNOWN, *sets]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return named([d for d in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if d], "ClusterModel")


def by_hook(helm: Path, *values: str) -> list[Object]:
    """Lists of entries that a first installation makes when everything else is there."""
    return [d for d in template(helm, *values) if d["kind"] == "List"]


def test_the_chart_brings_the_entries_of_the_package(helm: Path) -> None:
    found = rendered(helm)
    assert {name: entry["spec"] for name, entry in found.items()} == {
        name: entry["spec"] for name, entry in entries().items()
    }
    assert {entry["metadata"]["labels"]["app.kubernetes.io/part-of"] for entry in found.values()} == {"hostler"}


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        pytest.param(("catalog.enabled=false",), set(entries()), id="none"),
        pytest.param(("catalog.exclude={gpt2,tiny-gan}",), {"gpt2", "tiny-gan"}, id="without some"),
    ],
)
def test_entries_can_be_left_out(helm: Path, values: tuple[str, ...], missing: set[str]) -> None:
    assert set(entries()) - set(rendered(helm, *values)) == missing


def test_a_licence_is_accepted_only_by_an_administrator_s_word(helm: Path) -> None:
    def terms(*values: str) -> dict[str, tuple[object, object]]:
        found = {name: entry["spec"] for name, entry in rendered(helm, *values).items()}
        return {
            name: (spec.get("acceptedLicense"), spec["artifacts"]["source"]["hf"].get("secretRef"))
            for name, spec in found.items()
            if spec.get("gated")
        }

    assert set(terms().values()) == {(None, None)}
    accepted = terms("catalog.acceptedLicenses={gemma}", "catalog.tokenSecret=hub")
    assert accepted["gemma-2-2b-it"] == ("gemma", {"name": "hub"})
    assert accepted["llama-3-1-8b-instruct"] == (None, {"name": "hub"})


def test_a_first_installation_makes_entries_after_the_kinds_that_it_brings(helm: Path) -> None:
    (found,) = by_hook(helm)
    assert found["metadata"]["annotations"] == {"helm.sh/hook": "post-install,post-upgrade"}
    assert {item["metadata"]["name"]: item["spec"] for item in found["items"]} == {
        name: entry["spec"] for name, entry in entries().items()
    }
    for item in found["items"]:
        # What the next upgrade needs to take them for its own.
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert item["metadata"]["annotations"]["meta.helm.sh/release-name"] == "hostler"
        assert item["metadata"]["annotations"]["meta.helm.sh/release-namespace"] == NAMESPACE
        assert len(item["metadata"]["annotations"]["hostler.dev/made-by-hook"]) == 64
    assert by_hook(helm, "catalog.enabled=false") == []


@pytest.mark.usefixtures("crds")
def test_the_api_server_takes_every_entry_as_it_is(helm: Path, api: KubeClient) -> None:
    for name, entry in rendered(helm).items():
        answer = api.create(entry, dry_run=True)
        assert answer.status_code == 201, f"{name}: {answer.text}"
        assert "Warning" not in answer.headers, f"{name}: {answer.headers['Warning']}"


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param(
            {"full": {"steps": {"default": 0, "min": 1, "max": 9}}}, "between min and max", id="a default outside"
        ),
        pytest.param(
            {"full": {"learningRate": {"default": "1", "min": "1e-6", "max": "1e-2"}}},
            "between min and max",
            id="a rate",
        ),
        pytest.param(
            {"full": {"rank": {"default": 1, "min": 1, "max": 9}}}, "belong to an adapter", id="a rank of all"
        ),
        pytest.param({"lora": {"alpha": None}}, "a rank and an alpha", id="an adapter without a scale"),
        pytest.param({"preference": {"beta": None}}, "has a beta", id="preferences without a beta"),
        pytest.param(
            {"full": {"data": {"formats": ["jsonl"], "rows": ["text,label"]}}}, "rows", id="rows in another form"
        ),
    ],
)
def test_bounds_that_make_no_sense_are_refused(api: KubeClient, change: Object, want: str) -> None:
    entry = copy.deepcopy(entries()["gpt2"])
    for method, fields in change.items():
        merged = {**entry["spec"]["tuning"][method], **fields}
        entry["spec"]["tuning"][method] = {key: value for key, value in merged.items() if value is not None}
    answer = api.create(entry, dry_run=True)
    assert answer.status_code == 422, answer.text
    assert want in answer.text


@pytest.mark.usefixtures("crds")
def test_only_a_hub_gates(api: KubeClient) -> None:
    entry = copy.deepcopy(entries()["tiny-chat"])
    entry["spec"]["gated"] = True
    answer = api.create(entry, dry_run=True)
    assert answer.status_code == 422
    assert "remove gated" in answer.text


def printed(*arguments: str) -> list[Object]:
    result = CliRunner().invoke(main, [*arguments, "--offline", "--dry-run", "--pool", "gpu"])
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


@pytest.mark.usefixtures("crds")
def test_the_api_server_takes_what_use_and_tune_print(api: KubeClient, tmp_path: Path) -> None:
    rows = tmp_path / "talks.jsonl"
    talk = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    rows.write_text(f"{json.dumps(talk)}\n")
    manifests = printed("tune", "tiny-chat", "--dataset", str(rows), "--claim", "data")
    for name, entry in entries().items():
        if entry["spec"].get("gated"):
            continue
        manifests += printed("use", name)
        for method in entry["spec"]["tuning"]:
            if method != "encoder":
                manifests += printed("tune", name, "--dataset", "rows", "--method", method)
    assert {each["kind"] for each in manifests} == {"Dataset", "InferenceService", "TrainingJob"}
    for each in manifests:
        answer = api.create(each, dry_run=True)
        assert answer.status_code == 201, f"{each['metadata']['name']}: {answer.text}"
