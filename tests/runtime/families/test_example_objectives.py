"""The examples of every objective, from their files to a Model that is Ready.

The control plane writes what the trainer is told, the trainer trains, and the control plane judges what came out.
``make examples`` does the same on a cluster.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import Bench, make_bench
from runtime.families.jobs import run_job
from world import completed, running

from hostler_contract import JobConfig, Result

pytestmark = pytest.mark.quality

EXAMPLES = Path(__file__).parents[3] / "examples"
DATA = {
    "tiny-chat-data": ("chat/data.py",),
    "tiny-chat-moved-data": ("chat/data.py", "2"),
    "tiny-chat-preferences": ("objectives/preferences.py",),
}
"""ConfigMap to the recipe of its content, as the comments above the jobs say it."""
OBJECTIVES = ("finetune", "lora", "preference", "distill", "prune", "quantize")


class Yard:
    """A cluster in memory whose trainers are real."""

    def __init__(self, root: Path) -> None:
        self.bench: Bench = make_bench()
        self.root = root
        self.models: dict[str, Path] = {}
        for name, (recipe, *arguments) in DATA.items():
            target = root / name
            subprocess.run([sys.executable, str(EXAMPLES / recipe), str(target), *arguments], check=True)
            # The bench looks at keys only; the trainer reads the file.
            keys = ("conversations.jsonl", "moved.jsonl", "preferences.jsonl")
            self.bench.cluster.text(name, **dict.fromkeys(keys, ""))

    def train(self, path: str) -> tuple[str, Result]:
        """A job to its end; its Model is registered."""
        return asyncio.run(self._train(path))

    async def _train(self, path: str) -> tuple[str, Result]:
        job = yaml.safe_load((EXAMPLES / path).read_text())
        name, source = job["metadata"]["name"], job["spec"]["dataset"]["source"]["configMap"]["name"]
        self.bench.cluster.put(job | {"metadata": {"name": name, "namespace": "default"}})
        await self.bench.settle()
        await running(self.bench, name)
        told = self.bench.job_config(f"{name}-0")
        result = run_job(self._here(told, data=self.root / source, base=job["spec"].get("base", {}).get("name")))
        self.models[name] = self.root / name / "model"
        await completed(self.bench, name, result=result)
        await self.bench.settle()
        return name, result

    def _here(self, told: JobConfig, *, data: Path, base: str | None) -> JobConfig:
        """The same job with the paths of this machine."""
        document: dict[str, Any] = json.loads(told.to_json())
        document["workspace"] = str(self.root / told.name)
        document["dataset"]["source"] = {"kind": "path", "location": str(data)}
        document["topology"] = {"pods": 1, "processesPerPod": 1}
        if base is not None:
            document["inputs"] = {"base": str(self.models[base])}
        return JobConfig.model_validate(document)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data and models of this module are."""
    return tmp_path_factory.mktemp("objectives")


@pytest.fixture(scope="module")
def yard(home: Path) -> Yard:
    """With the chat example's model in it, which all of them start from."""
    yard = Yard(home)
    yard.train("chat/trainingjob.yaml")
    assert yard.bench.condition("Model", "tiny-chat", "Ready")[0] == "True"
    return yard


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_example_passes_its_gates_and_its_comparison_makes_sense(yard: Yard, objective: str) -> None:
    name, result = yard.train(f"objectives/{objective}.yaml")

    ready, _, why = yard.bench.condition("Model", name, "Ready")
    assert ready == "True", (why, result.metrics)
    model = yard.bench.cluster.object("Model", name)["spec"]
    assert (model["license"], model["lineage"]["base"]["name"]) == ("CC0-1.0", "tiny-chat"), "inherited"
    assert result.comparison is not None
    before, after = result.comparison.before, result.comparison.after
    smaller = {"distill": after.size_bytes < before.size_bytes, "quantize": after.size_bytes < before.size_bytes}
    assert smaller.get(objective, after.size_bytes == pytest.approx(before.size_bytes, rel=0.01))
    if objective in ("finetune", "lora"):
        assert before.metrics["answer_accuracy"] < 0.5, "the base knows the old world"


def test_there_is_an_example_of_every_objective() -> None:
    found = {yaml.safe_load(path.read_text())["spec"]["objective"] for path in EXAMPLES.glob("objectives/*.yaml")}
    assert found == {"finetune", "preference", "distill", "prune", "quantize"}
    assert {path.stem for path in EXAMPLES.glob("objectives/*.yaml")} == set(OBJECTIVES)
