"""What the chart's schema refuses: values that make no sense, and keys that nobody reads, at every level."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.charts import CHART, refusal


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param("operator.replicas=0", "replicas", id="no operator at all"),
        pytest.param("operator.logLevel=loud", "logLevel", id="a log level that does not exist"),
        pytest.param("operater.replicas=1", "operater", id="a misspelled section"),
        pytest.param("monitoring.interval=often", "interval", id="an interval that is no duration"),
        pytest.param("exporter.targets[0]=http://nowhere", "targets", id="a target without a type"),
        pytest.param("images.variants.rocm=a:1", "rocm", id="a variant without its verb"),
        pytest.param("images.defaultVariant=", "defaultVariant", id="default images built for nothing"),
        pytest.param("image.registry=example.org/", "registry", id="a registry with a slash at its end"),
        pytest.param("images.operator.digest=sha256:abc", "digest", id="a digest that is cut off"),
        pytest.param('operator.watchNamespaces=["Team_A"]', "watchNamespaces", id="a namespace that cannot exist"),
        pytest.param('operator.extraArgs=["resync"]', "extraArgs", id="an argument that is no flag"),
        pytest.param('operator.extraEnv=[{"value": "x"}]', "extraEnv", id="a variable without a name"),
        pytest.param("operator.ports.metrics=80", "metrics", id="a port that needs rights which the pod has not"),
        pytest.param("modelProtection=maybe", "modelProtection", id="a protection that does not exist"),
        pytest.param('networkPolicy.apiServerCidrs=["10.1.2.3"]', "apiServerCidrs", id="an address without its size"),
        pytest.param("imports.imageVolumes=maybe", "imageVolumes", id="volumes that are there or not"),
        pytest.param("apiServer.host=https://api", "host", id="a URL where an address is meant"),
    ],
)
def test_bad_values_are_refused_with_their_name(helm: Path, value: str, want: str) -> None:
    assert want in refusal(helm, value)


SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
FREE = {"anything", "stringMap", "quantities"}
"""Definitions of the schema for what Kubernetes itself checks, and for maps whose keys are the user's."""


def _levels(schema: dict[str, Any], value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every object of the schema by its path, with a function that puts an object there into a whole of values."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in FREE:
            yield from _levels(SCHEMA["$defs"][name], value, path)
        return
    if schema.get("type") == "array":
        yield from _levels(schema["items"], lambda inner: value([inner]), f"{path}[]")
    if schema.get("type") == "object":
        yield path, schema, value
        for key, below in schema.get("properties", {}).items():
            yield from _levels(below, lambda inner, key=key: value({key: inner}), f"{path}.{key}".lstrip("."))


LEVELS = list(_levels(SCHEMA, lambda inner: inner))


def test_no_level_of_the_schema_lets_unknown_keys_in() -> None:
    """But for maps of the user's own keys, which have a pattern for these."""
    loose = [path for path, schema, _ in LEVELS if schema.get("additionalProperties") is not False]
    assert loose == ["images.variants"]
    assert {name for name, found in SCHEMA["$defs"].items() if found.get("additionalProperties") is not False} == {
        *FREE,
        "port",
    }


def test_an_unknown_key_is_refused_at_every_level_with_its_name(helm: Path) -> None:
    """All at once, because helm names every key that it does not know."""
    keys = {path: f"unknown{number}" for number, (path, _, _) in enumerate(LEVELS)}
    everything: dict[str, Any] = {}
    for path, _, put in LEVELS:
        everything = _merged(everything, put({keys[path]: 1}))
    said = refusal(helm, *(f"{key}={json.dumps(below)}" for key, below in everything.items()))
    accepted = [path for path, key in keys.items() if f"'{key}'" not in said]
    assert accepted == []


def _merged(one: Any, other: Any) -> Any:
    """Both of two values; of two lists, the first elements are one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: _merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return other


def test_the_defaults_are_among_what_the_schema_knows() -> None:
    """A key that only values.yaml has could never be set."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    known = {path for path, _, _ in LEVELS}

    def sections(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        yield path, value
        for key, below in value.items():
            inner = f"{path}.{key}".lstrip(".")
            if isinstance(below, dict) and inner in known and inner != "images.variants":
                yield from sections(below, inner)

    schemas = {path: schema for path, schema, _ in LEVELS}
    for path, value in sections(defaults):
        assert set(value) <= set(schemas[path]["properties"]), path
