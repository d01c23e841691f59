"""The whole process but its command line: real HTTP, a real gRPC kubelet on a unix socket, one scrape of our own."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from unit.exporter.support import text

from hostler.accelerators.registry import exporters
from hostler.exporter import scrape as scrape_module
from hostler.exporter.collector import Collector
from hostler.exporter.reading import metric_names
from hostler.exporter.scrape import MAX_BYTES, MAX_KEPT, MAX_SERIES, ScrapeError, ScrapeFailure, Scraper
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.server import application
from hostler.exporter.targets import Targets, parse_target
from hostler.kubelet import podresources_pb2 as messages
from hostler.kubelet.podresources import PodResources
from hostler.kubelet.podresources_pb2_grpc import PodResourcesListerServicer, add_PodResourcesListerServicer_to_server
from hostler_contract import metrics as names

GPU = "nvidia.com/gpu"
WANTED = metric_names(exporters().values())
Series = dict[tuple[str, str], tuple[dict[str, str], float]]


class FakeKubelet(PodResourcesListerServicer):
    """One pod holds the first of two GPUs."""

    async def List(self, request: Any, context: Any) -> messages.ListPodResourcesResponse:
        held = messages.ContainerDevices(resource_name=GPU, device_ids=["GPU-aaaa"])
        container = messages.ContainerResources(name="trainer", devices=[held])
        pod = messages.PodResources(name="j-0-0-abcde", namespace="team", containers=[container])
        return messages.ListPodResourcesResponse(pod_resources=[pod])

    async def GetAllocatableResources(self, request: Any, context: Any) -> messages.AllocatableResourcesResponse:
        devices = messages.ContainerDevices(resource_name=GPU, device_ids=["GPU-aaaa", "GPU-bbbb"])
        return messages.AllocatableResourcesResponse(devices=[devices])


@pytest.fixture
async def socket(tmp_path: Path) -> AsyncIterator[str]:
    path = str(tmp_path / "kubelet.sock")
    server = grpc.aio.server()
    add_PodResourcesListerServicer_to_server(FakeKubelet(), server)
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    yield path
    await server.stop(grace=None)


@pytest.fixture
async def vendor() -> AsyncIterator[TestServer]:
    """An exporter that answers well, badly, late or never."""
    late = asyncio.Event()

    async def page(request: web.Request) -> web.StreamResponse:
        match request.match_info["page"]:
            case "late":
                await late.wait()
                return web.Response(text="")
            case "broken":
                return web.Response(text='DCGM_FI_DEV_GPU_UTIL{gpu="0" 12\n')
            case "error":
                return web.Response(status=503)
            case "page":
                return web.Response(text="<!DOCTYPE html>\n<title>not here</title>\n")
            case "crowd":
                lines = [f'DCGM_FI_DEV_GPU_UTIL{{UUID="{n}"}} 1' for n in range(MAX_SERIES + 1)]
                return web.Response(text="\n".join(lines))
            case "moved":
                raise web.HTTPFound("/dcgm")
            case "packed":
                body = gzip.compress(b'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-aaaa"} 1\n' * 100_000)
                return web.Response(body=body, headers={"Content-Encoding": "gzip"})
        return web.Response(text=text(request.match_info["page"]))

    app = web.Application()
    app.router.add_get("/{page}", page)
    server = TestServer(app)
    await server.start_server()
    yield server
    late.set()
    await server.close()


@pytest.fixture
async def scraper() -> AsyncIterator[Scraper]:
    made = Scraper(timeout=30, wanted=WANTED)
    yield made
    await made.close()


async def scrape(scraper: Scraper, *, socket: str, target: str, kubelet_timeout: float = 30) -> tuple[Series, str]:
    """Our own /metrics as Prometheus would see it: labels and value by name and device."""
    registry = CollectorRegistry()
    collector = Collector(
        targets=Targets(explicit=(parse_target(target),)),
        kubelet=PodResources(socket, timeout=kubelet_timeout),
        fetch=scraper.fetch,
        monotonic=time.monotonic,
        metrics=SelfMetrics(registry),
    )
    server = TestServer(application(collector, registry=registry, node="gpu-1"))
    await server.start_server()
    try:
        async with ClientSession() as session:
            async with session.get(server.make_url("/healthz")) as alive:
                assert alive.status == 200
            async with session.get(server.make_url("/metrics")) as response:
                body = await response.text()
    finally:
        await server.close()
    samples = [s for family in text_string_to_metric_families(body) for s in family.samples]
    return {(s.name, s.labels.get("device", s.labels.get("target", ""))): (s.labels, s.value) for s in samples}, body


async def test_one_scrape_from_end_to_end(socket: str, vendor: TestServer, scraper: Scraper) -> None:
    got, _ = await scrape(scraper, socket=socket, target=f"{GPU}={vendor.make_url('/dcgm')}")
    labels, value = got[names.ACCELERATOR_UTILIZATION, "GPU-aaaa"]
    assert value == 0.87
    assert labels == {
        "vendor": "NVIDIA",
        "type": "nvidia-a100-80",
        "device": "GPU-aaaa",
        "node": "gpu-1",
        "namespace": "team",
        "pod": "j-0-0-abcde",
        "container": "trainer",
        "simulated": "false",
    }
    assert got[names.ACCELERATOR_ENERGY, "GPU-aaaa"][1] == 123456.789
    assert got[names.ACCELERATOR_HEALTHY, "GPU-bbbb"][1] == 1
    assert got[names.ACCELERATOR_INFO, "GPU-bbbb"][0]["resource"] == GPU
    assert got[names.ACCELERATOR_UTILIZATION, "GPU-bbbb"][0]["pod"] == ""


async def test_every_series_carries_exactly_the_contracts_labels(
    socket: str, vendor: TestServer, scraper: Scraper
) -> None:
    got, _ = await scrape(scraper, socket=socket, target=f"{GPU}={vendor.make_url('/dcgm')}")
    ours = {name: labels for (name, _), (labels, _) in got.items() if name.startswith("hostler_accelerator_")}
    assert set(ours) == {
        names.ACCELERATOR_UTILIZATION,
        names.ACCELERATOR_MEMORY_USED,
        names.ACCELERATOR_MEMORY_TOTAL,
        names.ACCELERATOR_POWER,
        names.ACCELERATOR_ENERGY,
        names.ACCELERATOR_HEALTHY,
        names.ACCELERATOR_INFO,
        names.ACCELERATOR_SHARES,
        names.ACCELERATOR_SHARES_HELD,
    }
    for name, labels in ours.items():
        extra = {"resource", "model"} if name == names.ACCELERATOR_INFO else set()
        assert set(labels) == {*names.ACCELERATOR_LABELS} | extra, name


async def test_what_was_blank_has_no_series(socket: str, vendor: TestServer, scraper: Scraper) -> None:
    got, _ = await scrape(scraper, socket=socket, target=f"{GPU}={vendor.make_url('/dcgm')}")
    assert (names.ACCELERATOR_POWER, "GPU-bbbb") not in got
    assert (names.ACCELERATOR_ENERGY, "GPU-bbbb") not in got


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param("late", ScrapeFailure.TIMEOUT, id="no answer in time"),
        pytest.param("broken", ScrapeFailure.PARSE, id="no exposition format"),
        pytest.param("error", ScrapeFailure.STATUS, id="an error status"),
        pytest.param("page", ScrapeFailure.PARSE, id="a web page, not metrics"),
        pytest.param("moved", ScrapeFailure.STATUS, id="a redirect, to where nobody configured"),
        pytest.param("crowd", ScrapeFailure.TOO_LARGE, id="more devices than a node has"),
        pytest.param("packed", ScrapeFailure.PARSE, id="compressed, though nobody asked for that"),
    ],
)
async def test_a_bad_exporter_costs_its_measurements_only(
    page: str, reason: ScrapeFailure, socket: str, vendor: TestServer
) -> None:
    url = str(vendor.make_url(f"/{page}"))
    scraper = Scraper(timeout=0.2 if reason is ScrapeFailure.TIMEOUT else 30, wanted=WANTED)
    try:
        got, _ = await scrape(scraper, socket=socket, target=f"{GPU}={url}")
    finally:
        await scraper.close()
    assert (names.ACCELERATOR_UTILIZATION, "GPU-aaaa") not in got
    assert got[names.ACCELERATOR_INFO, "GPU-aaaa"][0]["pod"] == "j-0-0-abcde"
    assert got[names.EXPORTER_SCRAPE_ERRORS, url][0]["reason"] == reason.value
    assert got[names.EXPORTER_TARGET_UP, url][1] == 0
    assert got[names.EXPORTER_SCRAPE_DURATION, url][1] > 0


@asynccontextmanager
async def endless(piece: bytes, *, pause: float = 0) -> AsyncIterator[str]:
    """A server that repeats itself for as long as it is listened to."""

    async def talk(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(piece)
                await asyncio.sleep(pause)
        return response

    app = web.Application()
    app.router.add_get("/metrics", talk)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/metrics"))
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("piece", "want"),
    [
        pytest.param(b"other_metric 1\n" * 4096, f"more than {MAX_BYTES >> 6} bytes", id="of what nobody reads"),
        pytest.param(
            b'DCGM_FI_DEV_GPU_UTIL{UUID="x"} 1\n' * 4096,
            f"more than {MAX_KEPT >> 4} bytes of series",
            id="of what is read",
        ),
        pytest.param(b"x" * 65536, f"a line of more than {MAX_KEPT >> 4} bytes", id="of one line"),
        pytest.param(b"# x\n\n" * 4096, f"more than {MAX_BYTES >> 6} bytes", id="of comments"),
    ],
)
async def test_an_endless_text_is_cut_off(
    piece: bytes, want: str, scraper: Scraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape_module, "MAX_BYTES", MAX_BYTES >> 6)
    monkeypatch.setattr(scrape_module, "MAX_KEPT", MAX_KEPT >> 4)
    async with endless(piece) as url:
        with pytest.raises(ScrapeError, match=want) as raised:
            await scraper.fetch(url)
    assert raised.value.reason is ScrapeFailure.TOO_LARGE


async def test_a_text_that_drips_is_not_waited_for() -> None:
    """Every byte resets an idle time-out, so the limit is on the whole answer."""
    scraper = Scraper(timeout=0.3, wanted=WANTED)
    try:
        async with endless(b"#", pause=0.01) as url:
            with pytest.raises(ScrapeError) as raised:
                await scraper.fetch(url)
    finally:
        await scraper.close()
    assert raised.value.reason is ScrapeFailure.TIMEOUT


async def test_a_kubelet_that_hangs_costs_the_join_only(tmp_path: Path, vendor: TestServer, scraper: Scraper) -> None:
    """It accepts the connection and never says a word."""
    path = str(tmp_path / "hung.sock")
    done = asyncio.Event()

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    hung = await asyncio.start_unix_server(listen, path)
    try:
        target = f"{GPU}={vendor.make_url('/dcgm')}"
        got, _ = await scrape(scraper, socket=path, target=target, kubelet_timeout=0.3)
    finally:
        done.set()
        hung.close()
        await hung.wait_closed()
    assert got[names.ACCELERATOR_UTILIZATION, "GPU-aaaa"][1] == 0.87
    assert got[names.EXPORTER_TARGET_UP, "kubelet"][1] == 0
    assert got[names.EXPORTER_SCRAPE_ERRORS, "kubelet"][0]["reason"] == "pod-resources"


async def test_a_missing_kubelet_socket_costs_the_join_only(
    tmp_path: Path, vendor: TestServer, scraper: Scraper
) -> None:
    target = f"{GPU}={vendor.make_url('/gaudi')}"
    got, _ = await scrape(scraper, socket=str(tmp_path / "none.sock"), target=target)
    assert got[names.EXPORTER_SCRAPE_ERRORS, "kubelet"][0]["reason"] == "pod-resources"
    got, _ = await scrape(scraper, socket=str(tmp_path / "none.sock"), target=f"{GPU}={vendor.make_url('/dcgm')}")
    assert got[names.ACCELERATOR_UTILIZATION, "GPU-aaaa"][1] == 0.87


async def test_nobody_at_the_door_is_a_connection_error(scraper: Scraper) -> None:
    with pytest.raises(ScrapeError) as raised:
        await scraper.fetch("http://127.0.0.1:1/metrics")
    assert raised.value.reason is ScrapeFailure.CONNECTION
