"""``python -m device_simulator``: simulate this node's accelerators until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web

from device_simulator.app import LOOK, Simulator, every
from device_simulator.node import NodeApi
from device_simulator.settings import Settings, SettingsError, read_settings
from device_simulator.web import application
from hostler.kubelet.podresources import PodResources


async def run(settings: Settings) -> None:
    """Runs until cancelled; an error in any part ends the process, and the kubelet starts it again."""
    api = await NodeApi.connect(settings.node)
    simulator = Simulator(settings, api=api, holders=PodResources(settings.pod_resources))
    runner = web.AppRunner(application(simulator), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host=settings.address, port=settings.port).start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_follow(api, simulator))
            tasks.create_task(every(LOOK, simulator.look))
            tasks.create_task(every(settings.interval, simulator.measure))
    finally:
        await runner.cleanup()
        await simulator.stop()
        await api.close()


async def _follow(api: NodeApi, simulator: Simulator) -> None:
    async for node in api.nodes():
        simulator.see(node)


async def _until_signal(settings: Settings) -> None:
    work = asyncio.create_task(run(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped by a signal")


def main() -> int:
    """Exit status 2 for a wrong environment."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_until_signal(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
