"""Openers of URLs that go through the proxies of the environment and trust a private authority beside the public ones.

``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` as usual, in either case; in ``NO_PROXY`` also networks such as
10.0.0.0/8, which Python's own library does not know. ``HOSTLER_CA_BUNDLE`` is a file of certificates.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

CA_BUNDLE: Final = "HOSTLER_CA_BUNDLE"
_PORTS: Final = {"http": 80, "https": 443}


class BundleError(Exception):
    """The file of certificates cannot be read."""


def certificates(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The machine's own, and those of a bundle beside them. Raises ``BundleError``."""
    context = ssl.create_default_context()
    if bundle := environ.get(CA_BUNDLE):
        try:
            context.load_verify_locations(cafile=bundle)
        except (OSError, ssl.SSLError) as error:
            text = f"the bundle of certificates {bundle} cannot be read ({error}): correct imports.caBundle"
            raise BundleError(text) from error
    return context


def opener(environ: Mapping[str, str], *handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Opens URLs. Raises ``BundleError``."""
    context = certificates(environ)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Proxies(environ), *handlers)


class _Proxies(urllib.request.ProxyHandler):
    """Of this environment and no other, and by our own reading of what is asked directly."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__({scheme: where for scheme in ("http", "https") if (where := proxy_of(scheme, environ))})
        self._environ = environ

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> object:
        """None leaves the request to those who ask the host itself."""
        if direct(req.full_url, self._environ):
            return None
        return super().proxy_open(req, proxy, type)


def proxy_of(scheme: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that is named for a scheme."""
    return environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY") or None


def direct(url: str, environ: Mapping[str, str]) -> bool:
    """Whether ``NO_PROXY`` has the host: by its name, a name above it, its address, a network, or a star for all."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or _PORTS.get(parts.scheme)
    entries = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower().split(",")
    return any(_covers(entry.strip(), host, port) for entry in entries)


def _covers(entry: str, host: str, port: int | None) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        return _within(host, network)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit():
        if int(number) != port:
            return False
        entry = name
    entry = entry.removeprefix("*").lstrip(".")
    return host == entry or host.endswith(f".{entry}")


def _network(entry: str) -> object | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _within(host: str, network: object) -> bool:
    try:
        return ip_address(host) in network  # type: ignore[operator]
    except ValueError:
        return False  # a name, which is not looked up for this
