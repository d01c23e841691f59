"""How to reach the API server: configuration by ``kubernetes.aio``, and credentials that stay fresh.

Every request asks the configuration for its token anew, so that a projected token may rotate under a running
operator; ``kubernetes.aio`` reads the file again once a minute.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config.config_exception import ConfigException

USER_AGENT = "hostler"
_UNUSABLE = (ConfigException, OSError, yaml.YAMLError, TypeError, AttributeError, KeyError, ValueError)
"""What reading a kubeconfig raises: the library looks into a file of another kind as if it were one."""

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_WAYS = "; set --kubeconfig or $KUBECONFIG, or run in a pod"


class ConnectionSetupError(Exception):
    """There is no usable way to the API server."""


class Connection:
    """One cluster and who we are there."""

    def __init__(self, configuration: Any, *, loader: Any = None) -> None:
        self.configuration = configuration
        self._loader = loader

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self.configuration.host)

    @property
    def namespace(self) -> str:
        """That of the kubeconfig's context, or of the pod that this runs in, else ``default``."""
        if self._loader is not None:
            context = self._loader.current_context.get("context") or {}
            return str(context.get("namespace") or "default")
        try:
            return _POD_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
        except OSError:
            return "default"

    async def keep_fresh(self) -> None:
        """Run credential plugins again before their tokens end, for ever."""
        if self._loader is not None:
            await kube_config.kube_config.refresh_token(self._loader, self.configuration)
        # There is no plugin; the service account's token is read again with every request.
        await asyncio.Event().wait()

    async def authorise(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A client middleware of aiohttp: who we are, and the name that the certificate must carry."""
        token = await self.configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token.strip()
        if self.configuration.tls_server_name:
            request.server_hostname = self.configuration.tls_server_name
        return await handler(request)

    def session(
        self,
        *,
        limit: int = 0,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
        middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = (),
    ) -> aiohttp.ClientSession:
        """A session of its own, with at most so many connections (0: as many as there are requests).

        It does not trust the environment: aiohttp would look for a proxy and read ~/.netrc, each in a thread, for
        every single request. The proxy is looked up here, once; a netrc has nothing to say about an API server.
        """
        tls = RESTClientObject(self.configuration).ssl_context
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The server would compress every page of a list, and we would take it apart: more time at both ends than
            # the network of a cluster saves.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            middlewares=(self.authorise, *middlewares),
            proxy=self.configuration.proxy or proxy_of_environment(self.server),
            response_class=response_class,
            trust_env=False,
        )


def proxy_of_environment(url: str) -> str | None:
    """The proxy that $HTTPS_PROXY, $HTTP_PROXY and $NO_PROXY name for a URL."""
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _require_file(path: Path | None) -> None:
    """That there is a kubeconfig at all. Raises ``ConnectionSetupError``: the library would log a warning of its own,
    and then speak of a key that its empty configuration lacks."""
    # $KUBECONFIG may be a list of files, of which some may be missing.
    wanted = str(path).split(os.pathsep) if path else [str(Path("~/.kube/config").expanduser())]
    if not any(Path(each).expanduser().exists() for each in wanted):
        where = f"{path} does not exist" if path else "there is no ~/.kube/config"
        raise ConnectionSetupError(f"no way to the API server: {where}{_WAYS}")


async def connect(kubeconfig: Path | None = None) -> Connection:
    """From the given kubeconfig, else $KUBECONFIG, else the pod's service account, else ~/.kube/config."""
    path = kubeconfig or (Path(os.environ["KUBECONFIG"]) if os.environ.get("KUBECONFIG") else None)
    configuration = Configuration()
    try:
        if path is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            kube_config.load_incluster_config(configuration)
            return Connection(configuration)
        _require_file(path)
        loader = await kube_config.load_kube_config(
            str(path) if path else None, client_configuration=configuration, persist_config=False
        )
    except _UNUSABLE as error:
        where = f"{path} is no usable kubeconfig" if path else "there is no usable ~/.kube/config"
        # The library's own words where it has some; a file of another kind breaks it anywhere.
        why = f" ({error})" if isinstance(error, ConfigException | OSError) else ""
        raise ConnectionSetupError(f"no way to the API server: {where}{why}{_WAYS}") from error
    return Connection(configuration, loader=loader)
