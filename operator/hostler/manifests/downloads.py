"""How pods get at what lies outside the cluster: a mirror, proxies, further certificates. The same for whoever imports
a model, looks at a dataset or trains on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hostler.api.common import Source
from hostler.manifests.naming import Manifest
from hostler.manifests.podtemplate import Mount, value
from hostler.planning.registries import ImageVolumes

PUBLIC_HUB = "https://huggingface.co"
"""What an absent endpoint means, where an administrator names no mirror."""
_CERTIFICATES = "/etc/hostler-ca"
_BUNDLE = "ca.crt"
_INSIDE = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local")
"""What is never asked through a proxy: the pod itself, and names of the cluster."""


@dataclass(frozen=True, kw_only=True)
class DownloadRules:
    """What an administrator says."""

    hub_endpoint: str = PUBLIC_HUB
    """Hub of models and datasets that name none."""
    proxies: Sequence[tuple[str, str]] = ()
    """Environment variables that name proxies, such as HTTPS_PROXY."""
    ca_config_map: str | None = None
    """ConfigMap in every namespace of workloads with certificates beside the image's own."""
    ca_key: str = _BUNDLE
    """Its key."""
    image_volumes: ImageVolumes = ImageVolumes.AUTO
    """Whether pods mount models that are OCI images."""


NO_RULES = DownloadRules()
"""The public hub, asked directly."""


def is_remote(source: Source | None) -> bool:
    """Whether a pod that reads the source asks a host outside its namespace."""
    return source is not None and bool(source.http or source.s3 or source.hf or source.oci)


def download_environment(rules: DownloadRules) -> list[Manifest]:
    """Variables that name proxies and certificates."""
    given = dict(rules.proxies)
    proxies: dict[str, str] = {name: given[name] for name in ("HTTP_PROXY", "HTTPS_PROXY") if name in given}
    if proxies:
        more = [each.strip() for each in given.get("NO_PROXY", "").split(",") if each.strip()]
        proxies["NO_PROXY"] = ",".join(dict.fromkeys((*_INSIDE, *more)))
    bundle = [] if rules.ca_config_map is None else [value("HOSTLER_CA_BUNDLE", f"{_CERTIFICATES}/{_BUNDLE}")]
    return [*(value(name, text) for name, text in proxies.items()), *bundle]


def download_mounts(rules: DownloadRules) -> list[Mount]:
    """The certificates."""
    if rules.ca_config_map is None:
        return []
    items = [{"key": rules.ca_key, "path": _BUNDLE}]
    bundle = {"configMap": {"name": rules.ca_config_map, "items": items}}
    return [Mount(name="certificates", path=_CERTIFICATES, source=bundle)]


def data_environment(source: Source | None, rules: DownloadRules) -> list[Manifest]:
    """The same for whoever reads data, with the mirror that stands for the public hub; nothing for data in the
    namespace."""
    if source is None or not is_remote(source):
        return []
    mirror = source.hf is not None and source.hf.endpoint is None and rules.hub_endpoint != PUBLIC_HUB
    return [*([value("HF_ENDPOINT", rules.hub_endpoint)] if mirror else []), *download_environment(rules)]


def data_certificates(source: Source | None, rules: DownloadRules) -> list[Mount]:
    """The certificates for whoever reads data."""
    return download_mounts(rules) if is_remote(source) else []


def at_mirror(source: Source, rules: DownloadRules) -> Source:
    """The source with the hub that is asked, which says what a pod has to reach."""
    if source.hf is None or source.hf.endpoint is not None:
        return source
    return source.model_copy(update={"hf": source.hf.model_copy(update={"endpoint": rules.hub_endpoint})})
