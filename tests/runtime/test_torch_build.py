"""What this project needs of torch, and the known limits of the repacked CPU build."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

REPACKED = metadata.version("torch").endswith("+cpuslim")
only_repacked = pytest.mark.skipif(not REPACKED, reason="this torch is not the repacked build")


def test_there_is_no_accelerator_and_asking_for_one_is_an_ordinary_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has an accelerator")
    with pytest.raises((RuntimeError, AssertionError)):
        torch.zeros(1, device="cuda")


@only_repacked
def test_no_cuda_package_came_along() -> None:
    names = {each.metadata["Name"].lower() for each in metadata.distributions()}

    assert [name for name in names if name.startswith(("nvidia", "cuda", "triton"))] == []


@only_repacked
def test_it_is_small() -> None:
    root = Path(torch.__file__).parent

    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc") < 620e6


@only_repacked
def test_its_claim_to_have_nccl_must_not_be_believed() -> None:
    """The reason why the backend is chosen by ``torch.cuda.is_available()``."""
    assert dist.is_nccl_available()
    assert not torch.cuda.is_available()


PROBES = """
import warnings
warnings.simplefilter("ignore")
import torch, torch.distributed as dist
from torch.profiler import profile
from torch.utils.data import DataLoader

def data_loader_workers():
    assert sum(int(batch.sum()) for batch in DataLoader(range(8), batch_size=2, num_workers=2)) == 28

def profiler():
    with profile() as seen:
        torch.ones(8, 8) @ torch.ones(8, 8)
    assert any("mm" in event.key for event in seen.key_averages())

def tracing():
    assert torch.jit.trace(lambda x: x * 2, torch.ones(1))(torch.tensor([3.0])).item() == 6

def gloo():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    value = torch.ones(1)
    dist.all_reduce(value)
    dist.destroy_process_group()
    assert value.item() == 1

def bf16_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype is torch.bfloat16

if __name__ == "__main__":
    for probe in (data_loader_workers, profiler, tracing, gloo, bf16_autocast):
        print(probe.__name__, flush=True)
        probe()
    print("done")
"""


def test_what_training_uses_works(tmp_path: Path) -> None:
    """In a process of its own, so that a crash names the probe instead of ending the tests."""
    script = tmp_path / "probes.py"
    script.write_text(PROBES)

    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()[-1]) == (0, "done"), done.stdout + done.stderr[-2000:]
