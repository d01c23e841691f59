"""The one write path. A write that would change nothing is not made; nobody else's object is touched.

Each method first asks the fence: who has lost the Lease raises :class:`NotLeading` instead of writing, and no request
may last longer than the Lease. What the server answers goes into the store at once, so that the next reconcile sees
what this one did, although the watch has not told yet.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hostler.cluster.client import REQUEST_TIMEOUT, Client
from hostler.cluster.drift import drift
from hostler.cluster.errors import Conflict, Invalid, NotFound, Taken
from hostler.cluster.events import EventRecorder
from hostler.cluster.matching import APPLIED_HASH, applied_hash, contains, satisfied, stamped
from hostler.cluster.resources import Resource, resource_of
from hostler.cluster.store import Change, Store, name_of
from hostler.planning.seats import gated, seat_patch

Object = dict[str, Any]
_log = logging.getLogger(__name__)

MANAGED_BY = ("app.kubernetes.io/managed-by", "hostler")
ATTEMPT = "hostler.dev/attempt"
IDENTITY_LABELS = ("hostler.dev/training-job", "hostler.dev/inference-service")
"""Which object of ours a child was made for."""
TRUST_SECONDS = 10.0
"""How long an unwatched child that was looked at is taken to be unchanged: less than any controller waits before it
puts back one that somebody has deleted."""
_REMEMBERED = 4096


class Fence(Protocol):
    """Who may write, and for how long."""

    def seconds_left(self) -> float:
        """Raises :class:`hostler.cluster.errors.NotLeading`."""


@dataclass(frozen=True)
class _Checked:
    """An unwatched child as we saw it."""

    hash: str
    at: float


@dataclass(frozen=True)
class _Left:
    """A child that the server keeps otherwise than it was asked to."""

    hash: str | None
    """Of what it was asked for."""
    content: Object


@dataclass(frozen=True)
class _Sent:
    """A status as we sent it and as the server kept it; they differ where a field is unknown to an older CRD."""

    sent: Object
    kept: Object


class ApiWriter:
    """The ``Writer`` of ``hostler.controllers.ports``."""

    def __init__(
        self,
        client: Client,
        *,
        store: Store,
        fence: Fence,
        events: EventRecorder,
        monotonic: Callable[[], float] = time.monotonic,
        skipped: Callable[[str], None] = lambda _verb: None,
    ) -> None:
        self._client = client
        self._store = store
        self._fence = fence
        self._events = events
        self._monotonic = monotonic
        self._skipped = skipped
        self._checked: OrderedDict[tuple[str, str, str], _Checked] = OrderedDict()
        """Oldest first. What is older than the trust in it is forgotten: names that were would else stay for ever."""
        self._left: OrderedDict[tuple[str, str, str], _Left] = OrderedDict()
        """Of unwatched kinds, whose end nobody tells, the newest ones only."""
        self._sent: dict[str, _Sent] = {}
        store.subscribe(self._forget_the_gone)

    async def apply(self, wanted: Object) -> Literal["created", "changed"] | None:
        """Make the cluster have this object; None where it has it already.

        Raises :class:`Taken` where the name belongs to somebody else or to an earlier incarnation of the owner, and
        other :class:`hostler.cluster.errors.ApiError` with the server's own sentence.
        """
        resource = resource_of(wanted["kind"])
        body = stamped(wanted)
        if self._recently_checked(body):
            self._skipped("apply")
            return None
        found = self._find(resource, body)
        if found is None and _is_new_by_name(body) and (made := await self._create(body)) is not None:
            self._remember(resource, made)
            return "created"
        if found is None:
            found = await self._live(resource, body)
        if found is not None:
            _refuse_strangers(found, body)
            if satisfied(found, body) or self._left_so(found, body):
                self._remember(resource, found)
                self._skipped("apply")
                return None
        self._remember(resource, await self._write(resource, body, found))
        return "created" if found is None else "changed"

    async def _create(self, body: Object) -> Object | None:
        """One request, in which nobody else's object can be taken over; None where the name exists."""
        try:
            return await self._client.create(body, timeout=self._seconds())
        except Conflict as error:
            if error.reason != "AlreadyExists":
                raise
            return None

    async def _write(self, resource: Resource, body: Object, found: Object | None) -> Object:
        """At most two requests; returns what the server keeps."""
        answer = found
        if found is not None and (added := drift(found, body)).parts is not None:
            # Apply cannot take away what belongs to another field manager, and would fail where an edit of ours and an
            # addition of theirs exclude each other. So those parts are replaced as a whole: also one change of a pod
            # template, not two.
            _log.info(
                "fields that nobody asked for are removed",
                extra={"child": _said(body), "fields": ", ".join(added.paths)},
            )
            metadata = found["metadata"]
            answer = await self._client.replace_parts(
                resource,
                namespace=metadata.get("namespace", ""),
                name=metadata["name"],
                resource_version=metadata["resourceVersion"],
                parts=added.parts,
                timeout=self._seconds(),
            )
        if answer is None or applied_hash(answer) != applied_hash(body) or not contains(answer, body):
            answer = await self._client.apply(body, timeout=self._seconds())
        if satisfied(answer, body):
            self._left.pop(_key(body), None)
        else:
            self._left.pop(_key(body), None)
            self._left[_key(body)] = _Left(applied_hash(body), _content(answer))
            while len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
            _log.warning(
                "the API server keeps a child otherwise than it was asked to, an admission rule perhaps; it is left so",
                extra={"child": _said(body)},
            )
        return answer

    def _left_so(self, found: Object, body: Object) -> bool:
        """Whether this is what the server made of exactly this wish: to repeat it would never end."""
        left = self._left.get(_key(body))
        return left is not None and left.hash == applied_hash(body) and left.content == _content(found)

    async def patch_status(self, kind: str, *, namespace: str = "", name: str, uid: str, status: Object) -> bool:
        """Replace the status of this incarnation; False where it is equal, and where the object has vanished."""
        cached = self._store.get(kind, namespace=namespace, name=name)
        if cached is None or cached["metadata"].get("uid") != uid:
            return False
        kept = cached.get("status") or {}
        before = self._sent.get(uid)
        if kept == status or (before is not None and before.sent == status and before.kept == kept):
            self._skipped("patch_status")
            return False
        resource = resource_of(kind)
        try:
            answer = await self._client.replace_status(
                resource,
                namespace=namespace,
                name=name,
                uid=uid,
                resource_version=cached["metadata"]["resourceVersion"],
                status=status,
                timeout=self._seconds(),
            )
        except NotFound:
            return False
        except Invalid:
            # A failed test of the uid is answered like an invalid status: look which one it was.
            if await self._vanished(resource, namespace=namespace, name=name, uid=uid):
                return False
            raise
        self._sent[uid] = _Sent(status, answer.get("status") or {})
        self._store.put(kind, answer)
        return True

    async def delete(self, child: Object) -> bool:
        """Delete exactly what was decided upon: a :class:`Conflict` where it has changed, False where it is gone."""
        resource = resource_of(child["kind"])
        metadata = child["metadata"]
        try:
            await self._client.delete(
                resource,
                namespace=metadata.get("namespace", ""),
                name=metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
                timeout=self._seconds(),
            )
        except NotFound:
            # Somebody was faster, and its end is still on its way to us.
            self._bury(resource, child)
            return False
        self._checked.pop(_key(child), None)
        return True

    async def bind(self, pod: Object, *, node: str) -> None:
        """Give a pod with our scheduling gate its node. A pod that has gone or has its node is no error."""
        metadata = pod["metadata"]
        cached = self._store.get("Pod", namespace=metadata["namespace"], name=metadata["name"])
        if cached is None or cached["metadata"]["uid"] != metadata["uid"] or not gated(cached):
            self._skipped("bind")
            return
        try:
            answer = await self._client.json_patch(
                resource_of("Pod"),
                namespace=metadata["namespace"],
                name=metadata["name"],
                operations=seat_patch(cached, node),
                timeout=self._seconds(),
            )
        except NotFound:
            return
        self._store.put("Pod", answer)

    async def event(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        """Record a state change, in the background."""
        self._fence.seconds_left()
        self._events.record(about, reason=reason, message=message, warning=warning)

    def _seconds(self) -> float:
        return min(REQUEST_TIMEOUT, self._fence.seconds_left())

    def _find(self, resource: Resource, body: Object) -> Object | None:
        """The cached object of this name."""
        metadata = body["metadata"]
        if not resource.watched:
            return None
        return self._store.get(resource.kind, namespace=metadata.get("namespace", ""), name=metadata["name"])

    async def _live(self, resource: Resource, body: Object) -> Object | None:
        """The object of this name, before the first write to it.

        Apply would take over an object that others made under this name, and its owner reference would end it together
        with ours. The caches of our children show only what carries our label.
        """
        metadata = body["metadata"]
        try:
            return await self._client.get(resource, namespace=metadata.get("namespace", ""), name=metadata["name"])
        except NotFound:
            return None

    def _remember(self, resource: Resource, found: Object) -> None:
        if resource.watched:
            self._store.put(resource.kind, found)
        elif found_hash := applied_hash(found):
            now, key = self._monotonic(), _key(found)
            self._checked.pop(key, None)
            self._checked[key] = _Checked(found_hash, now)
            while next(iter(self._checked.values())).at + TRUST_SECONDS < now:
                self._checked.popitem(last=False)

    def _recently_checked(self, body: Object) -> bool:
        checked = self._checked.get(_key(body))
        return (
            checked is not None
            and checked.hash == body["metadata"]["annotations"][APPLIED_HASH]
            and self._monotonic() < checked.at + TRUST_SECONDS
        )

    async def _vanished(self, resource: Resource, *, namespace: str, name: str, uid: str) -> bool:
        try:
            live = await self._client.get(resource, namespace=namespace, name=name)
        except NotFound:
            return True
        return bool(live["metadata"]["uid"] != uid)

    def _bury(self, resource: Resource, child: Object) -> None:
        self._checked.pop(_key(child), None)
        if resource.watched:
            self._store.remove(resource.kind, child)

    def _forget_the_gone(self, change: Change) -> None:
        """Its end, or another object under its name whose birth came before the news of its end."""
        old, new = change.old, change.new
        if old is None or (new is not None and new["metadata"].get("uid") == old["metadata"].get("uid")):
            return
        self._sent.pop(old["metadata"].get("uid", ""), None)
        self._left.pop((change.kind, *name_of(old)), None)


def _is_new_by_name(body: Object) -> bool:
    """Children of one attempt, whose number is in their name, are made once and never changed. So they are created and
    not applied: apply needs a look before it, and costs the API server twice as much. What is changed later on is
    always applied, or the fields of its creation would belong to another manager than those of its changes."""
    return ATTEMPT in body["metadata"].get("labels", {})


def _content(obj: Object) -> Object:
    """All that we may ask for."""
    metadata = {name: obj["metadata"].get(name) for name in ("labels", "annotations", "ownerReferences")}
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")} | metadata


def _said(obj: Object) -> str:
    """A child, for people."""
    kind, namespace, name = _key(obj)
    return f"{kind} {namespace}/{name}"


def _key(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _refuse_strangers(found: Object, body: Object) -> None:
    """Raise :class:`Taken` unless the existing object is the one that we made, for the same purpose and owner."""
    there, here = _controller(found), _controller(body)
    if there is not None and here is not None and there["uid"] == here["uid"]:
        return
    what = f"{found['kind']} {found['metadata'].get('namespace', '')}/{found['metadata']['name']}"
    labels, ours = (obj["metadata"].get("labels") or {} for obj in (found, body))
    if labels.get(MANAGED_BY[0]) != MANAGED_BY[1]:
        raise Taken(f"{what} exists and was not made by Hostler: delete it, or choose another name", code=409)
    if any(labels.get(label) != ours.get(label) for label in IDENTITY_LABELS):
        raise Taken(f"{what} exists and belongs to another object of Hostler: choose another name", code=409)
    if there is not None and here is not None and _who(there) == _who(here):
        raise Conflict(f"{what} is left over from an earlier {_who(here)} and is about to be removed", code=409)


def _controller(obj: Object) -> Object | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _who(owner: Object) -> str:
    return f"{owner['kind']} {owner['name']}"
