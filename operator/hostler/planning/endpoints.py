"""Which endpoints may be sent the credentials of a Secret.

Who may create a job may not always read the namespace's Secrets. An endpoint of the job's choice beside a ``secretRef``
would be sent what is in the Secret, so an administrator says which hosts may be named there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from hostler.api.common import Source
from hostler.api.trainingjob import TrainingReason
from hostler.planning import registries
from hostler.planning.rejection import Rejection, rejection

_PORTS = {"http": 80, "https": 443}
_PATTERN = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(?P<port>\d{1,5}|\*))?"
)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PUBLIC = {
    "hf": re.compile(r"huggingface\.co"),
    # Not all of amazonaws.com: anybody can have a host below it.
    "s3": re.compile(r"s3(-fips)?(\.dualstack)?(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com(\.cn)?"),
}
"""Hosts that are what an absent endpoint means, over https; by member of the source."""


@dataclass(frozen=True, kw_only=True)
class EndpointPattern:
    """Hosts that may be sent credentials."""

    scheme: str
    host: str
    """A name; ``*.name`` for the names below it, and ``*`` for every name."""
    port: int | None
    """None means every port."""

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether an endpoint with these parts is one of them."""
        named = self.host in ("*", host) or (self.host.startswith("*.") and host.endswith(self.host[1:]))
        return named and scheme == self.scheme and self.port in (None, port)


def read_patterns(texts: Iterable[str]) -> tuple[EndpointPattern, ...]:
    """``[scheme://]host[:port]`` as an administrator writes it. Without a scheme it means https, without a port the
    scheme's own. Raises ``ValueError`` with the text that is none."""
    return tuple(_pattern(text) for text in texts)


def _pattern(text: str) -> EndpointPattern:
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None or ((match["port"] or "*") != "*" and not 0 < int(match["port"]) < 65536):
        raise ValueError(
            f"{text!r} is no host: write it like hub.example.org, *.example.org, minio.example.org:9000 or "
            "http://minio.storage.svc:9000"
        )
    scheme, port = match["scheme"] or "https", match["port"]
    number = None if port == "*" else int(port) if port else _PORTS[scheme]
    return EndpointPattern(scheme=scheme, host=match["host"], port=number)


def reject_endpoint(source: Source | None, *, path: str, allowed: Sequence[EndpointPattern]) -> Rejection | None:
    """What speaks against sending the Secret that the source at ``path`` names to the endpoint beside it."""
    if source is None:
        return None
    given = source.s3 or source.hf
    if given is None or given.secret_ref is None or given.endpoint is None or _may(source, given.endpoint, allowed):
        return None
    text = (
        f"{given.endpoint} may not be sent the credentials that secretRef names: leave endpoint or secretRef out, or "
        "have an administrator allow its host with allowedEndpoints in the chart's values (--allowed-endpoint)"
    )
    return rejection(TrainingReason.ENDPOINT_NOT_ALLOWED, f"{path}.{source.member}.endpoint", text)


def reject_origin(source: Source, *, path: str, allowed: Sequence[EndpointPattern]) -> Rejection | None:
    """What speaks against importing a model from the hub, store or registry at ``path``, also without credentials: what
    a model says is believed by everybody who asks it, so an administrator says where models may come from. Where a hash
    says what comes, it may come from anywhere."""
    if source.oci is not None:
        return _reject_registry(source.oci.reference, path=path, allowed=allowed)
    given = source.s3 or source.hf
    if given is None or given.endpoint is None or _may(source, given.endpoint, allowed):
        return None
    text = (
        f"models may not be imported from {given.endpoint}: leave endpoint out, or have an administrator allow its "
        "host with allowedEndpoints in the chart's values (--allowed-endpoint)"
    )
    return rejection(TrainingReason.ENDPOINT_NOT_ALLOWED, f"{path}.{source.member}.endpoint", text)


def _reject_registry(text: str, *, path: str, allowed: Sequence[EndpointPattern]) -> Rejection | None:
    reference = registries.parse(text)
    if reference.digest is not None or registries.is_allowed(reference, allowed=allowed):
        return None
    said = (
        f"models may not be imported from {reference.host} by a tag, which may mean other files tomorrow: name a "
        "digest (@sha256:...), or have an administrator allow the host with allowedEndpoints in the chart's values "
        "(--allowed-endpoint)"
    )
    return rejection(TrainingReason.ENDPOINT_NOT_ALLOWED, f"{path}.oci.reference", said)


def _may(source: Source, endpoint: str, allowed: Sequence[EndpointPattern]) -> bool:
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return False  # such as a port that is no number
    # Readers of URLs differ in what they take for the host where it holds anything else.
    if port is None or not _HOST.fullmatch(host):
        return False
    if parts.scheme == "https" and port == _PORTS["https"] and _PUBLIC[source.member].fullmatch(host):
        return True
    return any(pattern.matches(parts.scheme, host, port) for pattern in allowed)
