"""YAML that PyYAML, kubectl and Helm read alike."""

from __future__ import annotations

import pytest
import yaml

from hostler.manifests.yamltext import to_yaml, to_yaml_documents

STRINGS = [
    ("a float that PyYAML takes for text", "3e-4", "value: '3e-4'\n"),
    ("a number", "1", "value: '1'\n"),
    ("a version", "1.0", "value: '1.0'\n"),
    ("a hexadecimal number", "0x1F", "value: '0x1F'\n"),
    ("an octal number of YAML 1.2", "0o17", "value: '0o17'\n"),
    ("a boolean of YAML 1.1", "yes", "value: 'yes'\n"),
    ("a word", "gpu", "value: gpu\n"),
    ("a quantity", "500m", "value: 500m\n"),
]


@pytest.mark.parametrize(("text", "want"), [row[1:] for row in STRINGS], ids=[row[0] for row in STRINGS])
def test_a_string_stays_a_string(text: str, want: str) -> None:
    assert to_yaml({"value": text}) == want
    assert yaml.safe_load(want) == {"value": text}


def test_keys_keep_their_order_and_shared_parts_are_written_out() -> None:
    shared = {"z": 1, "a": [2]}
    text = to_yaml({"second": shared, "first": shared})
    assert text == "second:\n  z: 1\n  a:\n    - 2\nfirst:\n  z: 1\n  a:\n    - 2\n"


def test_documents_are_separated() -> None:
    assert list(yaml.safe_load_all(to_yaml_documents([{"a": 1}, {"b": 2}]))) == [{"a": 1}, {"b": 2}]
