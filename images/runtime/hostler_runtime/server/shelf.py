"""Videos of this replica, from being asked for until they expire: in memory, and bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from hostler_runtime.protocols.tasks import VideoRequest, VideoResult
from hostler_runtime.server.errors import ApiError

KEEP_SECONDS: Final = 3600
MAX_FINISHED: Final = 64
MAX_BYTES: Final = 256 * 1024 * 1024

Status = Literal["queued", "in_progress", "completed", "failed"]


@dataclass(slots=True, eq=False)
class Video:
    """One video. Changed by the event loop, except that the model's thread says when it begins."""

    id: str
    request: VideoRequest
    created: int
    status: Status = "queued"
    finished: float | None = None
    """Seconds since 1970."""
    result: VideoResult | None = None
    error: ApiError | None = None
    stop: Callable[[], object] = field(default=lambda: None)
    """Ends the work on it; harmless where there is none."""

    @property
    def expires(self) -> float | None:
        """When it is forgotten, in seconds since 1970."""
        return None if self.finished is None else self.finished + KEEP_SECONDS


class Shelf:
    """Holds every unfinished video, and the newest finished ones within bounds of number, bytes and age."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._videos: dict[str, Video] = {}

    def put(self, video: Video) -> None:
        """Begin to hold one."""
        self._videos[video.id] = video

    def finish(self, video: Video, outcome: VideoResult | ApiError) -> None:
        """Its file, or why there is none; older ones may have to go."""
        video.finished = self._clock()
        if isinstance(outcome, ApiError):
            video.status, video.error = "failed", outcome
        else:
            video.status, video.result = "completed", outcome
        self._tidy()

    def get(self, name: str) -> Video:
        """Raises ``ApiError`` 404 for one that is not here."""
        self._tidy()
        if name not in self._videos:
            message = (
                f"There is no video '{name}' on this replica: it was deleted, it expired ({KEEP_SECONDS} seconds after "
                "it was finished), or another replica of the service holds it."
            )
            raise ApiError(message, status=404, param="video_id", code="video_not_found")
        return self._videos[name]

    def remove(self, name: str) -> Video:
        """Forget one, and end the work on it. Raises ``ApiError`` 404."""
        video = self.get(name)
        video.stop()
        self.discard(video)
        return video

    def discard(self, video: Video) -> None:
        """Forget one that may be forgotten already."""
        self._videos.pop(video.id, None)

    def all(self) -> list[Video]:
        """Oldest first."""
        self._tidy()
        return list(self._videos.values())

    def _tidy(self) -> None:
        now = self._clock()
        kept = held = 0
        finished = [video for video in self._videos.values() if video.finished is not None]
        for video in sorted(finished, key=lambda one: one.finished or 0.0, reverse=True):
            size = 0 if video.result is None else len(video.result.mp4)
            kept, held = kept + 1, held + size
            expired = video.expires is not None and video.expires <= now
            # The newest one stays however large it is, or it could never be fetched.
            if expired or kept > MAX_FINISHED or (held > MAX_BYTES and kept > 1):
                del self._videos[video.id]
                held -= size
