"""What the simulator reads from and writes to the API server: its own node, and the pods that hold its devices."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from device_simulator.labels import FIELD_MANAGER, apply_configuration

log = logging.getLogger(__name__)

TIMEOUT = 10.0
WATCH_SECONDS = 290
RETRY_FIRST, RETRY_MOST = 0.5, 15.0

Json = Mapping[str, Any]


class ApiError(RuntimeError):
    """The API server refused or could not be reached; the message names the request."""

    def __init__(self, request: str, problem: str, *, status: int = 0) -> None:
        super().__init__(f"{request}: {problem}")
        self.status = status


class NodeApi:
    """Requests as plain dictionaries: the client's models would cost this small process 100 MiB."""

    def __init__(self, client: ApiClient, node: str) -> None:
        self._client = client
        self._node = node

    @classmethod
    async def connect(cls, node: str) -> NodeApi:
        """With the pod's service account, or with a kubeconfig outside of a cluster."""
        configuration = Configuration()
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        return cls(ApiClient(configuration), node)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def nodes(self) -> AsyncIterator[Json]:
        """The node object now and after each of its changes, for ever; errors are logged and tried again."""
        pause = RETRY_FIRST
        while True:
            try:
                async for node in self._watch():
                    pause = RETRY_FIRST
                    yield node
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("watch of node %s: %s; again in %.1f s", self._node, error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST)

    async def apply_labels(self, labels: Mapping[str, str]) -> None:
        """Server-side apply of our labels; those that we owned and that are not among them disappear."""
        body = apply_configuration(self._node, labels)
        # Forced: a label that somebody put there by hand would otherwise block all of the others.
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        path = f"/api/v1/nodes/{self._node}"
        await self._json("PATCH", path, query, body=body, content="application/apply-patch+yaml")

    async def pod(self, namespace: str, name: str) -> Json | None:
        """A pod, or None where there is none."""
        try:
            return await self._json("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _watch(self) -> AsyncIterator[Json]:
        node = await self._json("GET", f"/api/v1/nodes/{self._node}")
        yield node
        query = [
            ("watch", "true"),
            ("fieldSelector", f"metadata.name={self._node}"),
            ("resourceVersion", node["metadata"]["resourceVersion"]),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        response = await self._send("GET", "/api/v1/nodes", query, timeout=WATCH_SECONDS + TIMEOUT)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]
                elif event["type"] == "ERROR":
                    raise ApiError("watch", str(event["object"].get("message")))
        finally:
            response.close()

    async def _json(self, method: str, path: str, query: Any = None, **more: Any) -> Json:
        response = await self._send(method, path, query, **more)
        found: Json = json.loads(await response.read())
        return found

    async def _send(
        self,
        method: str,
        path: str,
        query: Any = None,
        *,
        body: Any = None,
        content: str = "application/json",
        timeout: float = TIMEOUT,
    ) -> aiohttp.ClientResponse:
        call = await self._client.param_serialize(
            method,
            path,
            query_params=query,
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            reply = await self._client.call_api(*call, _request_timeout=aiohttp.ClientTimeout(total=timeout))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(f"{method} {path}", f"{type(error).__name__} {error}") from error
        response: aiohttp.ClientResponse = reply.response
        if response.status >= 300:
            text = await response.text()
            raise ApiError(f"{method} {path}", f"{response.status} {_message(text)}", status=response.status)
        return response


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]
