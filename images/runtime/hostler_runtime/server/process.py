"""The life of a replica: bind, load, prove itself, serve, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvicorn

from hostler_contract import ErrorReason, Result, ServingConfig
from hostler_runtime import logs
from hostler_runtime.families import serving_half
from hostler_runtime.logs import event
from hostler_runtime.protocols.serving import LanguageModel, LoadOptions, UnservableError
from hostler_runtime.server.app import build_app
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.drain import Drain
from hostler_runtime.server.engine import Engine, Model
from hostler_runtime.server.lifecycle import Lifecycle, Phase
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.observer import Run
from hostler_runtime.server.routes import all_endpoints
from hostler_runtime.server.sample import expected, send_sample
from hostler_runtime.server.settings import Settings, read_serving_config, read_settings

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is the client who closes and no request meets a closed one."""
ABANDONED_SECONDS = 2.0
"""What requests that outlived the drain get for receiving their error."""


class Listener(uvicorn.Server):
    """uvicorn without its signal handlers: this process drains first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the replica."""
        yield


class Replica:
    """One model behind one port."""

    def __init__(self, config: ServingConfig, settings: Settings, listening: socket.socket) -> None:
        self._config = config
        self._settings = settings
        self._socket = listening
        self._lifecycle = Lifecycle()
        self._metrics = ServingMetrics(config, revision=settings.revision)
        self._secret = secrets.token_hex(16)
        self._terminate = asyncio.Event()
        self.engine = Engine(
            self._load,
            slots=config.max_batch_size,
            max_waiting=config.max_queue,
            observe=self._observe,
        )
        self._desk = Desk(config, engine=self.engine, metrics=self._metrics, revision=settings.revision)
        self._endpoints = all_endpoints(self._desk)

    async def run(self) -> None:
        """Serve until SIGTERM. Raises ``UnservableError`` where the model cannot be served."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate.set)
        # Said only now: who reads it may ask the process to end, and must not meet the default handler.
        host, port = self._socket.getsockname()
        event(log, "listening", host=host, port=port)
        self.engine.start()
        listener = Listener(uvicorn.Config(
            build_app(self._desk, self._endpoints, lifecycle=self._lifecycle, sample_secret=self._secret),
            lifespan="off", ws="none", http="h11", log_config=None, access_log=False, server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ))  # fmt: skip
        serving = asyncio.create_task(listener.serve(sockets=[self._socket]))
        starting = asyncio.create_task(self._become_ready())
        terminating = asyncio.create_task(self._terminate.wait())
        try:
            await asyncio.wait({serving, starting, terminating}, return_when=asyncio.FIRST_COMPLETED)
            if not terminating.done():
                await starting
                await asyncio.wait({serving, terminating}, return_when=asyncio.FIRST_COMPLETED)
            starting.cancel()
            await self._drain(listener, serving)
        finally:
            terminating.cancel()
            self.engine.close("the server ended")
            listener.should_exit = listener.force_exit = True
            await serving

    def _load(self) -> Model:
        options = LoadOptions(
            adapters={name: Path(path) for name, path in self._config.adapters.items()},
            max_batch_size=self._config.max_batch_size,
        )
        model: LanguageModel = serving_half(self._config.family).load(Path(self._config.artifact_path), options=options)
        return model

    def _observe(self, run: Run) -> None:
        if self._lifecycle.answering:
            self._metrics.run(run)
        else:
            self._metrics.sampled(run)

    async def _become_ready(self) -> None:
        model = await asyncio.wrap_future(self.engine.loaded)
        self._lifecycle.phase = Phase.WARMING_UP
        answered = [one.title for one in self._endpoints if one.tasks and one.offered(self._desk.tasks)]
        event(log, "model loaded", kind=type(model).__name__, answers=answered)
        if LanguageModel in self._desk.tasks:
            self._metrics.serves_tokens()
        await asyncio.to_thread(
            send_sample,
            self._config.sample_request,
            expect=expected(self._config.sample_request, self._endpoints),
            model=self._config.model_id,
            port=self._socket.getsockname()[1],
            secret=self._secret,
            timeout=self._settings.sample_timeout_seconds,
        )
        self._lifecycle.phase = Phase.READY
        event(log, "ready", model=self._config.model_id, revision=self._settings.revision)

    async def _drain(self, listener: Listener, serving: asyncio.Task[None]) -> None:
        """Endpoints propagate while we still accept; then everything accepted is finished; then we go."""
        if not self._lifecycle.answering:
            return
        self._lifecycle.phase = Phase.DRAINING
        event(log, "draining", seconds=self._config.drain_seconds)
        drain = Drain(total=self._config.drain_seconds, linger=self._settings.linger_seconds)
        while True:
            more = drain.seconds_to_accept(quiet=self._lifecycle.seconds_since_arrival())
            if more <= 0:
                break
            await asyncio.sleep(more)
        listener.should_exit = True
        done, _ = await asyncio.wait({serving}, timeout=drain.remaining())
        if not done:
            event(log, "drain time is over: failing what is unfinished", level=logging.WARNING)
            self.engine.close("the server had to end before this request was complete")
            await asyncio.wait({serving}, timeout=ABANDONED_SECONDS)
        event(log, "drained")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """The process's exit status; a failure also goes into the termination message."""
    termination_log = Path(environment.get("HOSTLER_TERMINATION_LOG", "/dev/termination-log"))
    replica = None
    try:
        settings = read_settings(environment)
        logs.configure(level=settings.log_level)
        config = read_serving_config(settings.config_path)
        listening = _bind(settings)
        replica = Replica(config, settings, listening)
        asyncio.run(replica.run())
        status = 0
    except UnservableError as error:
        status = _report(error.reason, str(error), termination_log)
    except Exception as error:
        log.exception("the server failed")
        status = _report(ErrorReason.INTERNAL, f"{type(error).__name__}: {error}", termination_log)
    if replica is not None:
        _end_thread(replica, status)
    return status


def _bind(settings: Settings) -> socket.socket:
    """The listening socket, bound before anything slow, so that a port in use is told at once."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; set HOSTLER_PORT"
        raise UnservableError(ErrorReason.INVALID_CONFIGURATION, message) from error


def _report(reason: ErrorReason, message: str, path: Path) -> int:
    event(log, message, level=logging.ERROR, reason=reason.value)
    text = Result(succeeded=False, reason=reason, message=message).to_termination_message()
    try:
        path.write_text(text)
    except OSError as error:
        event(log, "cannot write the termination message", level=logging.ERROR, path=path, error=error.strerror)
    return 1


def _end_thread(replica: Replica, status: int) -> None:
    # A turn of the model ends soon; loading may take minutes, and nobody waits for what it brings.
    replica.engine.join(timeout=1.0 if replica.engine.loaded.done() else 0.0)
    if replica.engine.alive:
        # It is deep in native code; the interpreter must not tear down under it.
        logging.shutdown()
        os._exit(status)
