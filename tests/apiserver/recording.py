"""A way to the API server that writes down what passes, as the audit log would, for any API server.

The operator's requests go through with the token of its ServiceAccount, so the API server judges them by its roles. The
record has what an audit event has: verb, resource, namespace and answer. One thing it takes from the answer: a PATCH
that is answered with 201 has made an object, for which the API server also asks for the right to ``create``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from apiserver.proxying import Proxy
from kubeclient import KubeClient

from hostler.cluster.connection import Connection, connect

_DENIED = re.compile(r'User \\?"system:serviceaccount:[^"]+" cannot ')
"""What the authorizer says, in JSON or not."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, order=True)
class Request:
    """One request, as a rule of a role would allow it."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    denied: bool = False
    """Whether the roles did not allow it. A quota, a policy or a namespace that ends also answer with 403."""

    @property
    def grant(self) -> tuple[str, str, str]:
        """Group, resource and verb."""
        return self.group, self.resource, self.verb


def requests_of(method: str, path: str, *, watch: bool, status: int, denied: bool = False) -> Iterator[Request]:
    """What a request asks of the roles; nothing where it is about no resource, such as discovery."""
    parts = path.strip("/").split("/")
    # /api/v1/... and /apis/GROUP/VERSION/...
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[3:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return
    resource = "/".join([rest[0], *rest[2:]])
    verb = _VERBS.get(method) or ("watch" if watch else "get" if len(rest) > 1 else "list")
    yield Request(group, resource, verb, namespace, denied)
    if method == "PATCH" and status == 201:
        yield Request(group, resource, "create", namespace, denied)


class Recorder(Proxy):
    """Writes down what passes."""

    def __init__(self, upstream: Connection) -> None:
        super().__init__(upstream)
        self.requests: list[Request] = []

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """What the API server says to whoever the connection is."""
        async with await self.ask(request, without=("Authorization",)) as answer:
            watch = request.query.get("watch") == "true"
            denied = answer.status == 403 and _DENIED.search(await answer.text()) is not None
            self.requests += requests_of(request.method, request.path, watch=watch, status=answer.status, denied=denied)
            if answer.status == 403:
                return web.Response(status=403, text=await answer.text(), content_type="application/json")
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            try:
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
            except (aiohttp.ClientConnectionResetError, asyncio.CancelledError):
                # The operator has closed its end.
                return response
            return response


def token_of(api: KubeClient, *, namespace: str, account: str) -> str:
    """A token of a ServiceAccount, which is made where it is not there."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    api.http.post(accounts, json=body)
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = api.http.post(f"{accounts}/{account}/token", json=wanted)
    assert answer.is_success, answer.text
    return str(answer.json()["status"]["token"])


async def connection_as(kubeconfig: Path, token: str) -> Connection:
    """The cluster of a kubeconfig with another identity: a client certificate would win over a token."""
    configuration = (await connect(kubeconfig)).configuration
    configuration.cert_file = configuration.key_file = None
    configuration.api_key = {"BearerToken": token}
    configuration.api_key_prefix = {"BearerToken": "Bearer"}
    configuration.refresh_api_key_hook = None
    return Connection(configuration)
