"""``/v1/videos``: asked for, worked on, looked after, fetched. What is kept is kept in this replica only."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Hashable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.tasks import VideoRequest, VideoResult
from hostler_runtime.server.body import read_fields
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import ApiError, engine_failed, invalid_type, invalid_value
from hostler_runtime.server.fields import NEUTRAL, Fields
from hostler_runtime.server.observer import Observer
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.routes.images import MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, parse_size
from hostler_runtime.server.seeds import MAX_SEED, derived_seeds
from hostler_runtime.server.shelf import Shelf, Video
from hostler_runtime.server.streaming import while_connected

MAX_SECONDS: Final = 60.0
MAX_LISTED: Final = 100
VIDEO_NEUTRAL: Final = {**NEUTRAL, "input_reference": ()}


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Five."""
    videos = _Videos(desk)
    tasks = (VideoRequest,)
    return (
        Endpoint(path="videos", answer=videos.create, tasks=tasks, proof="completed_at"),
        Endpoint(path="videos", method="GET", answer=videos.list, tasks=tasks),
        Endpoint(path="videos/{video}", method="GET", answer=videos.retrieve, tasks=tasks),
        Endpoint(path="videos/{video}", method="DELETE", answer=videos.delete, tasks=tasks),
        Endpoint(path="videos/{video}/content", method="GET", answer=videos.content, tasks=tasks),
    )


class _Videos:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shelf = Shelf()
        self._working: set[asyncio.Task[None]] = set()

    async def create(self, request: Request) -> Response:
        """``POST /v1/videos``: at once with the job, or with ``wait`` (ours) when it is done, with the file in it."""
        fields = await read_fields(request)
        self._desk.take_model(fields)
        wait = fields.flag("wait")
        wanted = parse_video(fields)
        keys = await self._desk.accepted([wanted], param="prompt")
        video = Video(f"video_{secrets.token_hex(16)}", wanted, int(time.time()))
        work = self._work(video, keys, _Watching(video, self._desk.observer(request)))
        self._shelf.put(video)
        try:
            if not wait:
                await self._begin(video, work)
                return JSONResponse(self._document(video))
            await while_connected(request.receive, work)
        except BaseException:
            # Refused, failed before its client's eyes, or left by it: nobody will ask for it again.
            self._shelf.discard(video)
            raise
        assert video.result is not None
        if request.scope["hostler.sample"]:
            self._shelf.discard(video)
        encoded = base64.b64encode(video.result.mp4).decode()
        return JSONResponse(self._document(video) | {"b64_json": encoded})

    async def list(self, request: Request) -> Response:
        """``GET /v1/videos``: newest first."""
        query = request.query_params
        videos = self._shelf.all()
        if query.get("order", "desc") != "asc":
            videos.reverse()
        after = query.get("after")
        if after is not None:
            position = videos.index(self._shelf.get(after))
            videos = videos[position + 1 :]
        text = query.get("limit", "20")
        limit = int(text) if text.isdigit() else 0
        if not 1 <= limit <= MAX_LISTED:
            raise invalid_value("limit", f"expected an integer from 1 to {MAX_LISTED}.")
        data = [self._document(video) for video in videos[:limit]]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return JSONResponse({"object": "list", "data": data, **ends, "has_more": len(videos) > limit})

    async def retrieve(self, request: Request) -> Response:
        """``GET /v1/videos/{id}``."""
        return JSONResponse(self._document(self._shelf.get(request.path_params["video"])))

    async def delete(self, request: Request) -> Response:
        """``DELETE /v1/videos/{id}``: also of one that is not finished, which then never will be."""
        video = self._shelf.remove(request.path_params["video"])
        return JSONResponse({"id": video.id, "object": "video.deleted", "deleted": True})

    async def content(self, request: Request) -> Response:
        """``GET /v1/videos/{id}/content``."""
        if request.query_params.get("variant", "video") != "video":
            raise invalid_value("variant", "this server makes no thumbnails or sprite sheets; leave it out.")
        video = self._shelf.get(request.path_params["video"])
        if video.error is not None:
            raise video.error
        if video.result is None:
            message = f"The video is not finished: its status is '{video.status}'. Ask GET /v1/videos/{video.id} again."
            raise ApiError(message, param="video_id", code="video_not_ready")
        return Response(video.result.mp4, media_type="video/mp4")

    async def _begin(self, video: Video, work: Any) -> None:
        """Let the work go on after this request. Raises ``ApiError`` where it could not even be queued."""
        task = asyncio.create_task(work)
        # The loop keeps weak references only.
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        video.stop = task.cancel
        # Queueing happens before the work first waits, so one turn of the loop tells whether it was refused.
        await asyncio.sleep(0)
        if task.done() and (error := task.exception()) is not None:
            raise error
        # Its failure stands in the job; nobody awaits the task.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _work(self, video: Video, keys: Sequence[Hashable], observer: Observer) -> None:
        try:
            results = await self._desk.perform([video.request], keys, observer=observer, param="prompt")
        except ApiError as error:
            self._shelf.finish(video, error)
            raise
        except Exception as error:
            self._shelf.finish(video, engine_failed(f"{type(error).__name__}: {error}"))
            raise
        [result] = results
        assert isinstance(result, VideoResult)
        self._shelf.finish(video, result)

    def _document(self, video: Video) -> dict[str, Any]:
        result, request = video.result, video.request
        sized = (result.width, result.height) if result is not None else (request.width, request.height)
        seconds = result.frames / result.frames_per_second if result is not None else request.seconds
        done = video.status == "completed"
        return {
            "id": video.id,
            "object": "video",
            "model": self._desk.config.model_id,
            "status": video.status,
            "progress": 100 if done else 0,
            "created_at": video.created,
            "completed_at": int(video.finished) if done and video.finished is not None else None,
            "expires_at": int(video.expires) if video.expires is not None else None,
            "prompt": request.prompt,
            "seconds": f"{seconds:g}" if seconds is not None else "auto",
            "size": f"{sized[0]}x{sized[1]}" if sized[0] is not None else "auto",
            "seed": request.seed,
            "error": None if video.error is None else _error(video.error),
            "remixed_from_video_id": None,
        }


class _Watching:
    """Passes measurements on and notes that the model has begun."""

    def __init__(self, video: Video, observer: Observer) -> None:
        self._video = video
        self._observer = observer

    def queued(self, seconds: float) -> None:
        self._video.status = "in_progress"
        self._observer.queued(seconds)

    def first_token(self, seconds: float) -> None: ...
    def next_token(self, seconds: float) -> None: ...
    def tokens(self, *, input: int = 0, output: int = 0) -> None: ...


def parse_video(fields: Fields) -> VideoRequest:
    """The order in a request's fields, ``model`` and ``wait`` already taken. Raises ``ApiError``."""
    width, height = parse_size(fields.text("size")) or (None, None)
    request = VideoRequest(
        prompt=fields.required_text("prompt", longest=MAX_PROMPT),
        seed=next(derived_seeds(fields.integer("seed", low=0, high=MAX_SEED))),
        negative_prompt=fields.text("negative_prompt", longest=MAX_PROMPT) or "",
        seconds=_seconds(fields.take("seconds")),
        height=height,
        width=width,
        steps=fields.integer("steps", low=1, high=MAX_STEPS),
        guidance=fields.number("guidance", low=0.0, high=MAX_GUIDANCE),
    )
    fields.refuse_rest(VIDEO_NEUTRAL)
    return request


def _seconds(value: Any) -> float | None:
    """OpenAI's clients send the number as a text."""
    if value is None:
        return None
    try:
        seconds = float(value) if isinstance(value, str) or type(value) in (int, float) else None
    except ValueError:
        seconds = None
    if seconds is None:
        raise invalid_type("seconds", want="a number, or a text that is one")
    if not 0 < seconds <= MAX_SECONDS:
        raise invalid_value("seconds", f"expected more than 0 and at most {MAX_SECONDS:g}.")
    return seconds


def _error(error: ApiError) -> dict[str, Any]:
    return {"code": error.code or error.kind, "message": str(error), "param": error.param, "type": error.kind}
