"""Flags and logs."""

from __future__ import annotations

import json
import logging

import pytest
from click.testing import CliRunner

from hostler.accelerators import Verb
from hostler.manifests.downloads import DownloadRules
from hostler.operator.command import run
from hostler.operator.logs import JsonFormatter, PlainFormatter
from hostler.operator.settings import (
    OperatorSettings,
    SettingsError,
    default_identity,
    read_endpoints,
    read_hub,
    read_networks,
    read_proxies,
    read_variants,
)


def settings(**changes: object) -> OperatorSettings:
    given = {"train_image": "t", "serve_image": "s", "variant_images": {}, "identity": "me"} | changes
    return OperatorSettings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_image": ""}, "HOSTLER_TRAIN_IMAGE"),
        ({"serve_image": ""}, "--serve-image"),
        ({"default_variant": "cdua"}, "--default-variant 'cdua' is none of cpu, cuda"),
        ({"workers": 0}, "--workers must be above 0"),
        ({"resync": -1}, "--resync must be above 0"),
        ({"progress_interval": 0}, "--progress-interval must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(**changes)


def test_what_controllers_get_to_know() -> None:
    found = settings(image_pull_policy="Never").for_controllers()
    assert (found.train_image, found.serve_image) == ("t", "s")
    assert found.image_pull_policy == "Never"
    assert found.default_variant == "cpu"
    assert settings(default_variant="cuda").for_controllers().default_variant == "cuda"


def test_pull_secrets_come_with_the_runtime_images() -> None:
    image = settings(pull_secrets=("registry",)).for_controllers().image(Verb.SERVE, variant="cpu")
    assert image is not None
    assert image.pull_secrets == ("registry",)


def test_endpoints() -> None:
    (found,) = settings(allowed_endpoints=read_endpoints(("hub.example.org",))).for_controllers().allowed_endpoints
    assert found.matches("https", "hub.example.org", 443)
    with pytest.raises(SettingsError, match="--allowed-endpoint 'a b' is no host"):
        read_endpoints(("a b",))


def test_how_models_are_imported() -> None:
    found = settings(
        hub_endpoint=read_hub("https://mirror.example.org/"),
        import_proxies=read_proxies(("HTTPS_PROXY=http://proxy:3128",)),
        ca_config_map="company-ca",
    ).for_controllers()
    assert found.imports == DownloadRules(
        hub_endpoint="https://mirror.example.org",
        proxies=(("HTTPS_PROXY", "http://proxy:3128"),),
        ca_config_map="company-ca",
    )


@pytest.mark.parametrize("text", ["PATH=/tmp", "HTTPS_PROXY", "HTTPS_PROXY="])
def test_a_proxy_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--import-proxy .* is not of the form NAME=VALUE"):
        read_proxies((text,))


@pytest.mark.parametrize("text", ["hub.example.org", "ftp://hub.example.org", "https://user:word@hub.example.org"])
def test_a_hub_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--hub-endpoint .* is no http or https URL"):
        read_hub(text)


def test_traffic_of_workloads_is_restricted_where_that_is_wanted() -> None:
    assert settings(metrics_namespaces=("monitoring",)).for_controllers().traffic is None
    networks = read_networks(("10.20.0.0/16", "fd00::/64"), flag="--data-network")
    found = settings(workload_policies=True, namespace="here", data_networks=networks).for_controllers().traffic
    assert found is not None
    assert (found.operator_namespace, [str(each) for each in found.data_networks]) == (
        "here",
        ["10.20.0.0/16", "fd00::/64"],
    )


@pytest.mark.parametrize("text", ["10.20.0.1/16", "10.0.0.0/40", "minio"])
def test_a_network_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--data-network: .*write a network like"):
        read_networks((text,), flag="--data-network")


def test_variants() -> None:
    assert read_variants(("train-rocm=r/x:1", "serve-ipu=y")) == {"train-rocm": "r/x:1", "serve-ipu": "y"}
    with pytest.raises(SettingsError, match="train-rocm"):
        read_variants(("train-rocm",))


def test_two_replicas_never_have_the_same_default_identity() -> None:
    assert default_identity() != default_identity()


def test_a_missing_setting_is_one_line_and_exit_status_one() -> None:
    result = CliRunner().invoke(run, [], env={"HOSTLER_TRAIN_IMAGE": "", "HOSTLER_SERVE_IMAGE": "", "KUBECONFIG": ""})
    assert result.exit_code == 1
    assert "Error: the runtime images are not set" in result.output
    assert "Traceback" not in result.output


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("hostler.x", logging.WARNING, __file__, 1, message, None, None)
    made.__dict__.update(extra)
    return made


def test_plain_logs_are_one_line_with_fields() -> None:
    line = PlainFormatter().format(record("it\nfailed", key="TrainingJob n/j", failures=3))
    assert line.split(" ", 1)[1] == 'WARNING hostler.x: it\\nfailed key="TrainingJob n/j" failures=3'


def test_json_logs_have_the_fields_beside_the_message() -> None:
    entry = json.loads(JsonFormatter().format(record("failed", key="a")))
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "warning", "logger": "hostler.x", "message": "failed", "key": "a"}


def test_a_message_cannot_be_faked_by_a_field() -> None:
    entry = json.loads(JsonFormatter().format(record("true", level="forged")))
    assert entry["level"] == "warning"
