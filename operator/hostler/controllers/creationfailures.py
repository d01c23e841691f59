"""Why a Job has no pods, a pod does not begin, or a claim has no volume, asked of the API server as seldom as possible.

Their controllers and the kubelet say it in Events and nowhere else. Events are not watched (a cluster has more of them
than of anything else), so those about one object are listed: only when it should have been further for a while, ever
more seldom for each object, and not more than a few a second for all of them together.

client-go drops what one controller says of one object beyond 25 Events, and then lets one through every five minutes:
of a gang whose first 25 pods were created, the refusal of the 26th may be heard only after that time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hostler.cluster.errors import ApiError
from hostler.controllers.ports import Clock, Object, Reader
from hostler.planning import refusals

ASK_SECONDS = 25.0
"""Until an object is asked about again, doubled each time: a little less than between two looks at a waiting object."""
_SELDOM_SECONDS = 600.0
"""Without the doubling, the first few objects would use up what is allowed to all."""
_BURST = 20.0
_PER_SECOND = 2.0
"""A list with a field selector reads all Events of the namespace in etcd."""
_REMEMBERED = 2048

Words = Callable[[Object, Sequence[Object]], str]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    sentence: str
    good_until: float
    patience: float
    """Seconds for which the next answer is good."""


class CreationFailures:
    """Asks for Events; shared by all controllers, because the bound is on all of them together."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._tokens = _BURST
        self._refilled = clock.monotonic()

    async def of_job(self, job: Object, pods: Sequence[Object]) -> str:
        """Why pods of this Job are refused, as sentences with the way out; empty where nothing is known of that.

        ``pods`` are those of exactly this Job.
        """
        waits = refusals.lacks_pods(job, pods, now=self._clock.now())
        return await self._said(job, refusals.job_words, waits=waits)

    async def of_pod(self, pod: Object) -> str:
        """Why a pod that has its node does not begin, likewise."""
        waits = refusals.waits_for_volumes(pod, now=self._clock.now())
        return await self._said(pod, refusals.pod_words, waits=waits)

    async def of_claim(self, claim: Object) -> str:
        """Why a claim has no volume, likewise; empty where it waits for its first pod."""
        waits = refusals.waits_for_volume(claim, now=self._clock.now())
        return await self._said(claim, refusals.claim_words, waits=waits)

    async def _said(self, about: Object, words: Words, *, waits: bool) -> str:
        uid = about["metadata"]["uid"]
        if not waits:
            self._answers.pop(uid, None)
            return ""
        known = self._answers.get(uid) or _Answer("", good_until=0.0, patience=ASK_SECONDS)
        now = self._clock.monotonic()
        if now < known.good_until or not self._may_ask(now):
            return known.sentence
        sentence = await self._ask(about, words, before=known.sentence)
        patience = min(2 * known.patience, _SELDOM_SECONDS)
        self._answers[uid] = _Answer(sentence, good_until=now + known.patience, patience=patience)
        self._answers.move_to_end(uid)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return sentence

    async def _ask(self, about: Object, words: Words, *, before: str) -> str:
        try:
            events = await self._reader.events(about)
        except ApiError as error:
            # What is known without it can still be said.
            _log.warning("Events were not read: %s", error, extra={"about": about["metadata"]["name"]})
            return before
        return words(about, events)

    def _may_ask(self, now: float) -> bool:
        self._tokens = min(_BURST, self._tokens + (now - self._refilled) * _PER_SECOND)
        self._refilled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
