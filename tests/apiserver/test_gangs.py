"""Gangs that compete for nodes, with the real scheduler: all pods of one get their nodes, or none does.

Each seed is a story (``gangs/story.py``): gangs of every shape that come and leave, in three pools that share nodes.
In a rough one strangers' pods sit down on promised seats, nodes disappear between the plan and the pods, jobs are
deleted while they start, and the operator is killed. `make bench-gangs` tells the same stories with thousands.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from apiserver.gangs.api import async_api
from apiserver.gangs.play import Operators, Play
from apiserver.gangs.story import write_story
from apiserver.site import CLAIM, TEXT, VOLUMES, volume
from builders import make_model
from kubeclient import KubeClient

pytestmark = pytest.mark.usefixtures("crds")

GANGS = int(os.environ.get("HOSTLER_TEST_GANGS", "0"))
"""How many gangs a story has; 0 for as many as a test run has time for."""
SEED = int(os.environ.get("HOSTLER_TEST_SEED", "0"))


async def _play(api: KubeClient, namespace: str, kubeconfig: Path, logs: Path, **story: object) -> Play:
    _prepare(api, namespace)
    async with async_api(kubeconfig) as quick:
        operators = Operators(kubeconfig=kubeconfig, namespace=namespace, logs=logs)
        play = Play(write_story(**story), quick, namespace, operators)  # type: ignore[arg-type]
        try:
            await play.run()
        finally:
            operators.stop()
            await play.tear_down()
    api.delete(f"{VOLUMES}/{namespace}")
    print(f"seed {play.story.seed}: {len(play.story.gangs)} gangs, {play.counts}")
    return play


def _prepare(api: KubeClient, namespace: str) -> None:
    """Something to learn from, and a claim to write to."""
    assert api.http.post(VOLUMES, json=volume(namespace, name=namespace, claim="tiny")).is_success
    for plural, manifest in (("configmaps", TEXT), ("persistentvolumeclaims", CLAIM)):
        assert api.http.post(f"/api/v1/namespaces/{namespace}/{plural}", json=manifest).is_success
    assert api.create(make_model("tiny", namespace=namespace)).is_success


async def test_gangs_that_only_compete_with_each_other_never_meet_the_scheduler_in_vain(
    api: KubeClient, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    play = await _play(api, namespace, kubeconfig, tmp_path, seed=SEED, gangs=GANGS or 60, rough=False)
    assert play.referee.crowded == {}, "a pod that the scheduler may see has its place"
    assert set(play.referee.attempts.values()) == {0}, "no seat was lost, no start timed out"


async def test_whatever_gets_in_the_way_every_gang_runs_as_a_whole_and_gives_back_what_it_had(
    api: KubeClient, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    gangs = GANGS or 140
    deaths = 1 if gangs < 1000 else gangs // 500
    play = await _play(api, namespace, kubeconfig, tmp_path, seed=SEED + 1, gangs=gangs, rough=True, deaths=deaths)
    assert play.counts.ambushes > 0, "a story in which nobody came between the plan and the pods shows little"
    assert (play.counts.nodes > 0, play.counts.strangers > 0, play.counts.deaths) == (True, True, deaths)
