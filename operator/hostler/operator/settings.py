"""Everything that can be set from outside, once, at the start."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from hostler.accelerators.matrix import rules
from hostler.api.schema import OPERATOR
from hostler.controllers.settings import Settings
from hostler.manifests.downloads import PUBLIC_HUB, DownloadRules
from hostler.manifests.networkpolicy import Network, TrafficRules
from hostler.planning.endpoints import EndpointPattern, read_patterns
from hostler.planning.registries import ImageVolumes


class SettingsError(ValueError):
    """A setting is missing or makes no sense."""


@dataclass(frozen=True, kw_only=True)
class OperatorSettings:
    """Flags and environment of the operator."""

    train_image: str
    """Runtime image of trainers, built for ``default_variant``."""
    serve_image: str
    """Runtime image of servers, likewise."""
    default_variant: str = "cpu"
    """What the two images above were built for."""
    variant_images: Mapping[str, str]
    """Runtime images of other variants, by ``<verb>-<variant>`` such as ``train-rocm``."""
    image_pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Secrets with credentials of the runtime images' registry, in every namespace of workloads."""
    allowed_endpoints: tuple[EndpointPattern, ...] = ()
    """Endpoints of data that may be sent credentials, beside the public hub and the cloud's own."""
    hub_endpoint: str = PUBLIC_HUB
    """Hub of models and datasets that name none."""
    import_proxies: tuple[tuple[str, str], ...] = ()
    """Environment, of pods that fetch models or data, that names proxies."""
    ca_config_map: str | None = None
    """ConfigMap in every namespace of workloads with certificates that hosts and proxies are trusted by."""
    ca_key: str = "ca.crt"
    """Its key."""
    image_volumes: str = ImageVolumes.AUTO.value
    """Whether pods mount models that are OCI images: auto, true or false."""
    workload_policies: bool = False
    """Whether workloads get NetworkPolicies."""
    metrics_namespaces: tuple[str, ...] = ()
    """Namespaces that may scrape trainers, with workload policies."""
    data_networks: tuple[Network, ...] = ()
    """Private networks where data lies, with workload policies."""
    blocked_networks: tuple[Network, ...] = ()
    """Networks that trainers may not reach, with workload policies."""
    namespace: str = "hostler-system"
    """Where the Lease lives."""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to serve; empty serves all."""
    identity: str
    """Name of this replica in the Lease; no two replicas may share one."""
    lease: str = OPERATOR
    workers: int = 16
    resync: float = 300.0
    """Seconds between full lists, after which everything is looked at again."""
    progress_interval: float = 5.0
    """Seconds between two readings of a running job's progress; more where there are very many jobs."""
    start_grace: float = 300.0
    """Seconds for which something may keep a job's pods from starting before its accelerators are given back."""
    preparation: str = "with-training"
    """Where jobs that leave it open have their data prepared: ``separate`` or ``with-training``."""
    metrics_port: int = 8080
    probes_port: int = 8081
    kubeconfig: Path | None = None

    def __post_init__(self) -> None:
        if not self.train_image or not self.serve_image:
            raise SettingsError(
                "the runtime images are not set: give --train-image and --serve-image, "
                "or HOSTLER_TRAIN_IMAGE and HOSTLER_SERVE_IMAGE"
            )
        if self.default_variant not in rules().variants:
            known = ", ".join(rules().variants)
            raise SettingsError(f"--default-variant {self.default_variant!r} is none of {known}")
        for name in ("workers", "resync", "progress_interval", "start_grace"):
            if (value := getattr(self, name)) <= 0:
                raise SettingsError(f"--{name.replace('_', '-')} must be above 0, not {value}")

    def for_controllers(self) -> Settings:
        """The part that decisions depend on."""
        return Settings(
            train_image=self.train_image,
            serve_image=self.serve_image,
            default_variant=self.default_variant,
            variant_images=self.variant_images,
            image_pull_policy=self.image_pull_policy,
            pull_secrets=self.pull_secrets,
            allowed_endpoints=self.allowed_endpoints,
            imports=DownloadRules(
                hub_endpoint=self.hub_endpoint,
                proxies=self.import_proxies,
                ca_config_map=self.ca_config_map,
                ca_key=self.ca_key,
                image_volumes=ImageVolumes(self.image_volumes),
            ),
            start_grace_seconds=self.start_grace,
            prepares_apart=self.preparation == "separate",
            ledger_namespace=self.namespace,
            traffic=self._traffic(),
        )

    def _traffic(self) -> TrafficRules | None:
        if not self.workload_policies:
            return None
        return TrafficRules(
            operator_namespace=self.namespace,
            metrics_namespaces=self.metrics_namespaces,
            data_networks=self.data_networks,
            blocked_networks=self.blocked_networks,
        )


def read_networks(texts: tuple[str, ...], *, flag: str) -> tuple[Network, ...]:
    """CIDRs. Raises :class:`SettingsError`."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingsError(f"{flag}: {error}; write a network like 10.20.0.0/16") from error


def read_endpoints(texts: tuple[str, ...]) -> tuple[EndpointPattern, ...]:
    """Endpoints that may be sent credentials. Raises :class:`SettingsError`."""
    try:
        return read_patterns(texts)
    except ValueError as error:
        raise SettingsError(f"--allowed-endpoint {error}") from error


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def read_proxies(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``HTTPS_PROXY=http://proxy:3128`` entries. Raises :class:`SettingsError`."""
    found = []
    for text in texts:
        name, sign, where = text.partition("=")
        if name not in _PROXIES or not sign or not where:
            raise SettingsError(
                f"--import-proxy {text!r} is not of the form NAME=VALUE with one of {', '.join(_PROXIES)}"
            )
        found.append((name, where))
    return tuple(found)


def read_hub(text: str) -> str:
    """URL of the hub of models that name none. Raises :class:`SettingsError`."""
    if not re.fullmatch(r"https?://[^\s@/]+(/[^\s@]*)?", text):
        raise SettingsError(f"--hub-endpoint {text!r} is no http or https URL without user information")
    return text.rstrip("/")


def default_identity() -> str:
    """Host and a random part: a restarted process must not be taken for the one before it."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


def read_variants(pairs: tuple[str, ...]) -> dict[str, str]:
    """``train-rocm=registry/image:tag`` entries as a mapping. Raises :class:`SettingsError`."""
    found = {}
    for pair in pairs:
        name, sign, image = pair.partition("=")
        if not sign or not name or not image:
            raise SettingsError(f"{pair!r} is not of the form <verb>-<variant>=<image>, such as train-rocm=img:1")
        found[name] = image
    return found
