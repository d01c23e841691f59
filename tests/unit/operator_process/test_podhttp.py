"""Asking a pod that may be slow, broken or hostile, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hostler.operator.podhttp import LIMIT, PodHttp, ProbeError
from hostler.operator.prober import Prober, Target

Say = Callable[[asyncio.StreamWriter], Awaitable[None]]
Ask = Callable[[Say], Awaitable[bytes]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Pod:
    """A server that says what it is told to, byte by byte, and counts what was taken from it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.requests: list[bytes] = []

    async def __aenter__(self) -> Pod:
        return await self.listen("127.0.0.1", 0)

    async def listen(self, ip: str, port: int) -> Pod:
        self._server = await asyncio.start_server(self._serve, ip, port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self._say(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def ask() -> Ask:
    """Asks a pod that answers so."""

    async def asked(say: Say) -> bytes:
        async with Pod(say) as pod:
            http = PodHttp(port=pod.port, timeout=0.5)
            try:
                return await http.get("127.0.0.1", "/progress")
            finally:
                await http.close()
                assert len(pod.requests) == 1, "nobody is asked twice, and nobody else"

    return asked


async def test_an_answer_is_read(ask: Ask) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")

    assert await ask(say) == b"{}"


async def test_the_largest_answer_is_read(ask: Ask) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {LIMIT}\r\n\r\n".encode() + b"x" * LIMIT)

    assert len(await ask(say)) == LIMIT


TAKEN = {"bytes": 0}


async def a_gigabyte(writer: asyncio.StreamWriter) -> None:
    TAKEN["bytes"] = 0
    writer.write(HEAD + b"\r\n")
    for _ in range(1024):
        writer.write(b"x" * 2**20)
        await writer.drain()
        TAKEN["bytes"] += 2**20


async def a_promise_of_a_gigabyte(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1073741824\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(30)


async def a_byte_at_a_time(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def a_header_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for _ in range(1000):
        writer.write(b"X-More: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def a_header_of_a_megabyte(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"X-Long: " + b"x" * 2**20 + b"\r\n\r\n{}")


async def silence(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def another_status(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Not Yet\r\nContent-Length: 2\r\n\r\n{}")


async def elsewhere(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")


async def half_an_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n{")


@pytest.mark.parametrize(
    ("say", "result"),
    [
        (a_gigabyte, "oversized"),
        (a_promise_of_a_gigabyte, "oversized"),
        (a_byte_at_a_time, "timeout"),
        (a_header_without_end, "timeout"),
        (a_header_of_a_megabyte, "unreachable"),
        (silence, "timeout"),
        (another_status, "refused"),
        (elsewhere, "refused"),
        (no_http, "unreachable"),
        (half_an_answer, "unreachable"),
    ],
)
async def test_anything_else_is_no_answer(ask: Ask, say: Say, result: str) -> None:
    with pytest.raises(ProbeError) as raised:
        await ask(say)
    assert raised.value.result == result


async def test_of_a_gigabyte_little_more_than_the_limit_is_taken(ask: Ask) -> None:
    with pytest.raises(ProbeError):
        await ask(a_gigabyte)
    assert TAKEN["bytes"] <= 16 * 2**20, "what fits into the buffers of two sockets, not what the pod has to say"


async def test_a_bomb_is_not_unpacked(ask: Ask) -> None:
    bomb = gzip.compress(b" " * 2**24)

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)

    assert await ask(say) == bomb


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "pod.example.com", ""])
async def test_nobody_there_and_no_address(ip: str) -> None:
    http = PodHttp(port=1, timeout=0.5)
    with pytest.raises(ProbeError) as raised:
        await http.get(ip, "/progress")
    assert raised.value.result == "unreachable"
    await http.close()


async def brief(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")


class Body:
    """Asks for the body as it is, and remembers whose came."""

    def __init__(self, http: PodHttp) -> None:
        self._http = http
        self.heard_from: Counter[str] = Counter()

    async def ask(self, target: Target) -> bytes | None:
        return await self._http.get(target.ip, "/progress")

    def heard(self, target: Target, answer: bytes) -> None:
        self.heard_from[target.uid] += 1


class Results:
    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()
        self.most = 0
        self.enough = asyncio.Event()

    def probed(self, result: str) -> None:
        self.by_name[result] += 1
        if self.by_name["success"] >= 20 and self.by_name["oversized"]:
            self.enough.set()

    def probing(self, in_flight: int) -> None:
        self.most = max(self.most, in_flight)


async def test_hostile_pods_keep_nobody_from_being_heard() -> None:
    """Forty pods with addresses of their own: silent, without end, or a byte at a time; and one that answers."""
    sayings = [silence] * 38 + [a_gigabyte, a_byte_at_a_time, brief]
    async with AsyncExitStack() as stack:
        first = await Pod(brief).listen("127.0.0.2", 0)
        stack.push_async_exit(first.__aexit__)
        for number, say in enumerate(sayings):
            pod = await Pod(say).listen(f"127.0.0.{number + 3}", first.port)
            stack.push_async_exit(pod.__aexit__)
        http, results = PodHttp(port=first.port, timeout=0.3), Results()
        stack.push_async_callback(http.close)
        question = Body(http)
        prober = Prober(question, interval=0.05, metrics=results, timeout=0.3, slots=8)
        for number in range(len(sayings)):
            ip = f"127.0.0.{number + 3}"
            prober.follow(Target(uid=str(number), namespace="n", ip=ip, job="j", job_uid="u"))
        asking = asyncio.create_task(prober.run())
        async with asyncio.timeout(60):
            await results.enough.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert set(question.heard_from) == {"40"}
    assert results.most <= 8
    assert set(results.by_name) >= {"success", "timeout", "oversized"}
