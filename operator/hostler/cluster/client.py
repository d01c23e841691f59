"""The API client: dicts in, dicts out, typed errors, a time limit on every request.

``kubernetes.aio`` says where the server is and who we are there (see ``connection``); requests go past its REST client,
whose path from a call to aiohttp costs as much as the request itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from hostler.cluster.connection import Connection
from hostler.cluster.errors import ApiError, Gone, Unavailable, from_response
from hostler.cluster.resources import Resource, resource_of

Object = dict[str, Any]
Observe = Callable[[str, str, float], None]
"""Called after each request with verb, code and seconds."""

FIELD_MANAGER = "hostler"
REQUEST_TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0
CONNECTIONS = 100
PAGE = 250
"""Objects of a page: its bytes and all that is made of them are in memory at once, and reading it holds up the loop."""

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Page:
    """Some of the objects of a list. All its pages are of one moment."""

    items: list[Object]
    resource_version: int
    """Of that moment."""


@dataclass(frozen=True)
class Listing:
    """All objects of a kind at one moment."""

    items: list[Object]
    resource_version: int


class Client:
    """One keep-alive session; every method raises :class:`hostler.cluster.errors.ApiError`."""

    def __init__(self, connection: Connection, *, observe: Observe | None = None) -> None:
        self._session = connection.session(limit=CONNECTIONS)
        self._host = connection.server.rstrip("/")
        self._observe: Observe = observe or (lambda _verb, _code, _seconds: None)
        self.last_answer = -float("inf")
        """Monotonic time of the last answer of the API server, whatever it said."""

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def raw(self, path: str) -> Object:
        """GET any path, such as ``/apis/hostler.dev/v1alpha1``."""
        return await self._call("GET", path, verb="get")

    async def get(self, resource: Resource, *, namespace: str = "", name: str) -> Object:
        """One object."""
        return await self._call("GET", resource.path(namespace=namespace, name=name), verb="get")

    async def list(self, resource: Resource, *, namespace: str = "", selector: str = "") -> Listing:
        """Everything of one moment: begun anew once when the pages' moment is forgotten."""
        try:
            return await self._list(resource, namespace=namespace, selector=selector)
        except Gone:
            return await self._list(resource, namespace=namespace, selector=selector)

    async def _list(self, resource: Resource, *, namespace: str, selector: str) -> Listing:
        pages = [page async for page in self.pages(resource, namespace=namespace, selector=selector)]
        return Listing([item for page in pages for item in page.items], pages[-1].resource_version)

    async def pages(self, resource: Resource, *, namespace: str = "", selector: str = "") -> AsyncIterator[Page]:
        """Everything of one moment, page by page; at least one page, which may be empty.

        Raises :class:`Gone` where the server has forgotten that moment before the last page: what came so far is no
        whole list, and the caller begins anew.
        """
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        # Items of a list carry neither kind nor apiVersion.
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        while True:
            page = await self._call("GET", resource.path(namespace=namespace), verb="list", query=query)
            items = [head | item for item in page.get("items") or ()]
            yield Page(items, int(page["metadata"]["resourceVersion"]))
            token = page["metadata"].get("continue")
            if not token:
                return
            # Or the last page would be held while the next one is read.
            del page, items
            query = {**query, "continue": token}

    async def first(
        self, resource: Resource, *, namespace: str, fields: Mapping[str, str], limit: int
    ) -> Sequence[Object]:
        """At most so many objects of which these fields have these values, in no order that means anything."""
        query = {"fieldSelector": ",".join(f"{name}={value}" for name, value in fields.items()), "limit": str(limit)}
        page = await self._call("GET", resource.path(namespace=namespace), verb="list", query=query)
        found: Sequence[Object] = page.get("items") or []
        return found

    @asynccontextmanager
    async def text(self, path: str, *, query: Mapping[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        """GET something that is no object and may last as long as it likes, such as the log of a container."""
        what = f"GET {path}"
        url = f"{self._host}{path}?{urlencode(query)}"
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._session.get(url, timeout=limit, allow_redirects=False) as response:
                if response.status >= 300:
                    body = await response.read()
                    _checked(response.status, body, what=what, retry_after=response.headers.get("Retry-After"))
                yield response.content
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{what} failed: {error or type(error).__name__}") from error

    async def review(self, body: Object) -> Object:
        """Ask who may do what: an object of ``authorization.k8s.io`` that is answered, and never kept."""
        path = f"/apis/{body['apiVersion']}/{body['kind'].lower()}s"
        return await self._call("POST", path, verb="review", body=body)

    async def create(
        self,
        body: Object,
        *,
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Object:
        """POST; :class:`Conflict` where the name exists. With ``dry_run`` the server does all but keep it."""
        resource, namespace, _ = _address(body)
        path = resource.path(namespace=namespace)
        query = {"fieldManager": manager, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", path, verb="create", query=query, body=body, timeout=timeout)

    async def replace(self, body: Object, *, timeout: float = REQUEST_TIMEOUT) -> Object:
        """PUT the whole object; :class:`Conflict` where its resourceVersion is not the newest."""
        resource, namespace, name = _address(body)
        path = resource.path(namespace=namespace, name=name)
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("PUT", path, verb="update", query=query, body=body, timeout=timeout)

    async def apply(self, body: Object, *, timeout: float = REQUEST_TIMEOUT) -> Object:
        """Server-side apply with our field manager, taking over fields that others have set."""
        resource, namespace, name = _address(body)
        return await self._call(
            "PATCH",
            resource.path(namespace=namespace, name=name),
            verb="apply",
            # Strict, because a field that the server does not know would vanish without a word.
            query={"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"},
            body=body,
            content_type=_APPLY,
            timeout=timeout,
        )

    async def replace_status(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        uid: str,
        resource_version: str,
        status: Object,
        timeout: float,
    ) -> Object:
        """Replace the whole status of exactly this incarnation; :class:`Conflict` where the object is another by now:
        nobody but us writes a status, so then our picture is old, or another one of us is at work."""
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self._call(
            "PATCH",
            resource.path(namespace=namespace, name=name, subresource="status"),
            verb="patch_status",
            query={"fieldManager": FIELD_MANAGER},
            body=operations,
            content_type=_JSON_PATCH,
            timeout=timeout,
        )

    async def replace_parts(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        parts: Mapping[str, Any],
        timeout: float = REQUEST_TIMEOUT,
    ) -> Object:
        """Replace whole top-level fields (None removes one); :class:`Conflict` where the object is another by now."""
        operations: list[Object] = [
            # Not a test, whose failure is answered like an invalid object: this one is answered with a conflict.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version}
        ]
        for part, value in parts.items():
            operations.append({"op": "add", "path": f"/{part}", "value": value})
            if value is None:
                operations.append({"op": "remove", "path": f"/{part}"})
        return await self._call(
            "PATCH",
            resource.path(namespace=namespace, name=name),
            verb="patch",
            query={"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"},
            body=operations,
            content_type=_JSON_PATCH,
            timeout=timeout,
        )

    async def json_patch(
        self, resource: Resource, *, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], timeout: float
    ) -> Object:
        """JSON patch (RFC 6902); :class:`Invalid` where an operation, or what comes out, is not possible."""
        return await self._call(
            "PATCH",
            resource.path(namespace=namespace, name=name),
            verb="patch",
            query={"fieldManager": FIELD_MANAGER},
            body=list(operations),
            content_type=_JSON_PATCH,
            timeout=timeout,
        )

    async def merge(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        patch: Object,
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> Object:
        """JSON merge patch; with ``dry_run`` the server does all but keep it."""
        path = resource.path(namespace=namespace, name=name)
        query = {"fieldManager": manager} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("PATCH", path, verb="patch", query=query, body=patch, content_type=_MERGE_PATCH)

    async def delete(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        uid: str,
        resource_version: str | None = None,
        dry_run: bool = False,
        timeout: float = REQUEST_TIMEOUT,
    ) -> None:
        """Delete this incarnation (and version, where given); its dependents go in the background. With ``dry_run`` the
        server does all but delete it."""
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Background",
        } | ({"dryRun": ["All"]} if dry_run else {})
        path = resource.path(namespace=namespace, name=name)
        await self._call("DELETE", path, verb="delete", body=options, timeout=timeout)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Object:
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else _encoded(body)
        headers = {"Accept": _JSON, "Content-Type": content_type}
        # The whole is limited below: a second try must not take the time of another request.
        limit = aiohttp.ClientTimeout(total=None, sock_connect=min(timeout, CONNECT_TIMEOUT))
        what = f"{method} {path}"
        started = time.monotonic()
        code = "error"
        try:
            async with asyncio.timeout(timeout):
                status, answer, retry_after = await self._send(method, url, headers=headers, data=data, limit=limit)
            code = str(status)
        except TimeoutError as error:
            code = "timeout"
            raise Unavailable(f"{what} had no answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{what} failed: {error or type(error).__name__}") from error
        finally:
            self._observe(verb, code, time.monotonic() - started)
        self.last_answer = time.monotonic()
        return _checked(status, answer, what=what, retry_after=retry_after)

    async def _send(
        self, method: str, url: str, *, headers: dict[str, str], data: bytes | None, limit: aiohttp.ClientTimeout
    ) -> tuple[int, bytes, str | None]:
        for last in (False, True):
            try:
                # The API server redirects nobody, and our credentials would go wherever somebody else points.
                async with self._session.request(
                    method, url, headers=headers, data=data, timeout=limit, allow_redirects=False
                ) as response:
                    return response.status, await response.read(), response.headers.get("Retry-After")
            except aiohttp.ServerDisconnectedError:
                # The server closes idle keep-alive connections whenever it likes; what we send may be repeated.
                if last or method == "POST":
                    raise
        raise AssertionError("the loop returns or raises")


def _address(body: Object) -> tuple[Resource, str, str]:
    metadata = body["metadata"]
    return resource_of(body["kind"]), metadata.get("namespace", ""), metadata["name"]


def _encoded(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Half a surrogate pair, which a pod may have said and which has no UTF-8: escaped, the server replaces it.
        return json.dumps(body).encode()


def _checked(status: int, answer: bytes, *, what: str, retry_after: str | None) -> Object:
    try:
        body = orjson.loads(answer) if answer else {}
    except orjson.JSONDecodeError:
        # A proxy's page, not the API server's words.
        body = {"message": f"{what} was answered with {status} and no JSON"}
        status = status if status >= 400 else 502
    if status >= 300:
        raise from_response(status, body if isinstance(body, dict) else None, what=what, retry_after=retry_after)
    if not isinstance(body, dict):
        raise ApiError(f"{what} was answered with something that is not an object", code=status)
    return body
