"""What an entry needs, and which pools have it."""

from __future__ import annotations

from typing import Any

import pytest

from hostler.accelerators import Verb
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.tuning import TuningMethod
from hostler.catalog import entries
from hostler.planning.catalog import Need, choose, host_memory, place, serving_need, tuning_need, workspace_bytes
from hostler.planning.pools import Pool, read_pool
from hostler.planning.quantities import whole
from hostler.planning.tuning import chosen

GIB = 2**30


def entry(family: str = "chat", **more: Any) -> ModelSpec:
    """A billion weights in 16 bits, with a cache of 100,000 bytes for each token."""
    return ModelSpec.model_validate(
        {
            "family": family,
            "artifacts": {"source": {"hf": {"repository": "acme/one"}}},
            "architecture": {"parameters": 10**9, "contextLength": 8192},
            "memory": {"weightsBytes": 2 * 10**9, "kvBytesPerToken": 100_000},
        }
        | more
    )


def method(**more: Any) -> TuningMethod:
    whole = {"default": 1, "min": 1, "max": 1}
    rate = {"default": "1e-4", "min": "1e-6", "max": "1"}
    data = {"formats": ["jsonl"], "rows": ["text"]}
    return TuningMethod.model_validate({"data": data, "steps": whole, "batchSize": whole, "learningRate": rate} | more)


RANK = {"rank": {"default": 8, "min": 1, "max": 64}, "alpha": {"default": 8, "min": 1, "max": 64}}
BETA = {"beta": {"default": "0.1", "min": "0", "max": "1"}}


def pool(kind: str) -> Pool:
    return read_pool("p", AcceleratorPoolSpec.model_validate({"acceleratorType": kind, "nodeSelector": {"a": "b"}}))


CACHE = 100_000 * 2048 * 8
IN_FP32 = {"memory": {"weightsBytes": 4 * 10**9, "kvBytesPerToken": 100_000}}
"""Eight conversations of 2,048 tokens."""


@pytest.mark.parametrize(
    ("spec", "device", "cores"),
    [
        pytest.param(entry(), 2.4e9 + CACHE + GIB, 4.8e9 + 2 * CACHE + GIB, id="cores compute in fp32, cache and all"),
        pytest.param(
            entry(architecture={"parameters": 10**9, "contextLength": 512}),
            2.4e9 + CACHE / 4 + GIB,
            4.8e9 + CACHE / 2 + GIB,
            id="no longer than the context",
        ),
        pytest.param(
            entry(**IN_FP32),
            4.8e9 + CACHE + GIB,
            4.8e9 + CACHE + GIB,
            id="what is stored in fp32 stays so",
        ),
        pytest.param(
            entry("text-to-image", memory={"weightsBytes": 2 * 10**9}), 4.8e9 + GIB, 4.8e9 + GIB,
            id="diffusion computes in fp32 everywhere",
        ),
    ],
)  # fmt: skip
def test_what_a_replica_needs(spec: ModelSpec, device: float, cores: float) -> None:
    need = serving_need(spec)
    assert need is not None
    assert (need.device, need.cores) == (pytest.approx(device), pytest.approx(cores))


def test_an_entry_without_sizes_needs_nobody_knows_what() -> None:
    bare = entry(architecture=None, memory=None)
    assert serving_need(bare) is None
    assert tuning_need(bare, method()) is None
    assert workspace_bytes(bare, method()) is None


@pytest.mark.parametrize(
    ("spec", "how", "device", "cores"),
    [
        pytest.param(entry(), method(), 16, 16, id="all weights: values, gradients, two moments"),
        pytest.param(entry(), method(**RANK), 2, 4, id="an adapter stands on frozen weights, as they are stored"),
        pytest.param(entry(**IN_FP32), method(**RANK), 4, 4, id="which may be in fp32"),
        pytest.param(entry("text-to-image"), method(**RANK), 4, 4, id="and is so for diffusion"),
        pytest.param(entry(), method(**BETA), 18, 20, id="preferences need what they are compared with"),
        pytest.param(entry(), method(**RANK, **BETA), 2, 4, id="which an adapter, switched off, is itself"),
    ],
)
def test_what_training_needs(spec: ModelSpec, how: TuningMethod, device: int, cores: int) -> None:
    """Bytes of each weight, on a device that computes in half precision and on cores."""
    need = tuning_need(spec, how)
    assert need is not None
    assert need.device == pytest.approx(1.2 * device * 10**9 + GIB)
    assert need.cores == pytest.approx(1.2 * cores * 10**9 + GIB)


def test_logits_of_what_is_computed_at_once_count() -> None:
    spec = entry(architecture={"parameters": 10**9, "vocabularySize": 50_000})
    ranges = {name: {"default": n, "min": 1, "max": 64} for name, n in (("batchSize", 8), ("gradientAccumulation", 2))}
    how = method(**RANK, **ranges, contextLength={"default": 1024, "min": 8, "max": 8192})
    parts = {2: 4, 8: 1, 1: 8}
    for accumulated, rows in parts.items():
        values = {"batchSize": 8, "gradientAccumulation": accumulated, "contextLength": 1024}
        need = tuning_need(spec, how, values)
        assert need is not None
        assert need.device == pytest.approx(2.4e9 + GIB + rows * 1024 * 50_000 * 8)
    assert tuning_need(spec, how) == tuning_need(spec, how, {**values, "gradientAccumulation": 2}), "the defaults"


def test_checkpoints_of_all_weights_take_room_and_those_of_an_adapter_do_not() -> None:
    assert workspace_bytes(entry(), method()) == 3 * 12 * 10**9 + 8 * 10**9 + GIB
    assert workspace_bytes(entry(), method(**RANK)) == 8 * 10**9 + GIB


TEN = Need(device=10 * GIB, cores=20 * GIB, host=5 * GIB)
HUGE = Need(device=1000 * GIB, cores=2000 * GIB, host=500 * GIB)


@pytest.mark.parametrize(
    ("kind", "verb", "need", "simulated", "want"),
    [
        pytest.param("nvidia-a100-80", "serve", TEN, False, (True, True, "10Gi of the 80Gi"), id="it fits"),
        pytest.param("nvidia-a100-80", "serve", HUGE, False, (True, False, "1000Gi of the 80Gi"), id="it does not"),
        pytest.param("cpu", "serve", TEN, False, (True, True, "20Gi of memory for each pod"), id="cores"),
        pytest.param(
            "amd-alveo-v70", "train", TEN, False, (False, False, ""), id="a card that only infers never trains"
        ),
        pytest.param("graphcore-c600", "serve", TEN, False, (True, False, "not known"), id="memory nobody knows"),
        pytest.param("graphcore-c600", "serve", TEN, True, (True, True, "cores"), id="simulated ones compute on cores"),
        pytest.param("nvidia-a100-80", "serve", None, False, (True, False, "does not say"), id="sizes nobody knows"),
        pytest.param("no-such-type", "serve", TEN, False, (False, False, "no-such-type"), id="a pool of nothing"),
    ],
)
def test_what_a_pool_is_for_an_entry(
    *,
    kind: str,
    verb: str,
    need: Need | None,
    simulated: bool,
    want: tuple[bool, bool, str],
) -> None:
    found = place(entry(), pool(kind), simulated=simulated, verb=Verb(verb), need=need)
    assert (found.possible, found.fits) == want[:2]
    assert want[2] in found.reason


def test_where_sizes_are_not_known_every_possible_pool_may_be_chosen() -> None:
    places = [place(entry(), pool(kind), simulated=False, verb=Verb.SERVE, need=None) for kind in ("cpu", "no-such")]
    assert [each.possible for each in choose(places, unknown=True)] == [True]
    assert choose(places, unknown=False) == []


@pytest.mark.parametrize(
    ("kind", "simulated", "want"),
    [("cpu", False, "20Gi"), ("nvidia-a100-80", False, "5Gi"), ("nvidia-a100-80", True, "20Gi")],
    ids=["on cores", "beside an accelerator", "beside a simulated one"],
)
def test_memory_of_the_pod(*, kind: str, simulated: bool, want: str) -> None:
    assert host_memory(pool(kind), TEN, simulated=simulated) == want
    assert host_memory(pool(kind), None, simulated=simulated) is None


def test_a_pod_on_cores_gets_the_memory_that_training_was_seen_to_take() -> None:
    """Resident memory of a trainer with one thread, at its highest: an adapter of Whisper base, two recordings."""
    measured = 2735 * 2**20
    spec = ModelSpec.model_validate(entries()["whisper-base"]["spec"])
    assert spec.tuning is not None
    tuned = spec.tuning.methods["lora"]
    need = tuning_need(spec, tuned, {**chosen(tuned, {}), "batchSize": 2})
    memory = host_memory(pool("cpu"), need, simulated=False)
    assert memory is not None
    assert measured < whole(memory) < 2 * measured


def test_over_several_processes_each_holds_its_part_and_a_pod_on_cores_holds_all() -> None:
    alone, four = (tuning_need(entry(), method(), processes=count) for count in (1, 4))
    assert alone is not None
    assert four is not None
    assert four.device - GIB == pytest.approx((alone.device - GIB) / 4, rel=1e-6)
    assert four.cores == alone.cores
