"""Memory of one device: terms with answers that are known, and what follows from every sum."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hostler.planning.estimate.activations import kept
from hostler.planning.estimate.memory import matrices_of_layers, memory_of_training
from hostler.planning.estimate.serving import memory_of_serving
from hostler.planning.estimate.shapes import Adapter, Checkpointing, Network, Sharding, TrainingRun
from hostler.planning.estimate.switches import Held, Optimizer, Switches

GIB = 2**30
GPT3 = Network(
    parameters=175_000_000_000, active_parameters=175_000_000_000, layers=96, hidden_size=12_288, heads=96, kv_heads=96,
    head_size=128, intermediate_size=49_152, vocabulary_size=51_200, gated=False, tied=True,
)  # fmt: skip
LLAMA_8B = Network(
    parameters=8_030_261_248, active_parameters=7_504_924_672, layers=32, hidden_size=4096, heads=32, kv_heads=8,
    head_size=128, intermediate_size=14_336, vocabulary_size=128_256,
)  # fmt: skip
MIXTRAL = Network(
    parameters=46_702_792_704, active_parameters=12_748_365_824, layers=32, hidden_size=4096, heads=32, kv_heads=8,
    head_size=128, intermediate_size=14_336, vocabulary_size=32_000, experts=8, active_experts=2,
)  # fmt: skip
RUN = TrainingRun(devices=1, sequence_length=2048, rows=1)
PURE = Switches(held=Held.BF16, fused=True)
MIXED = replace(PURE, master=True)


def terms(network: Network, run: TrainingRun, switches: Switches = PURE) -> dict[str, int]:
    return dict(memory_of_training(network, run, device_bytes=None, switches=switches).terms)


def peak(network: Network, run: TrainingRun, switches: Switches = PURE) -> int:
    return memory_of_training(network, run, device_bytes=None, switches=switches).peak


def test_a_layer_of_gpt_keeps_34_bytes_as_korthikanti_counts() -> None:
    """arXiv 2205.05198, equation 1 without the scores: 34 s b h, with dropout and a GELU of one operation."""
    switches = Switches(held=Held.BF16, compiled=True, dropout=True)
    run = replace(RUN, rows=4)
    assert kept(GPT3, run, switches).layer == 34 * 2048 * 4 * GPT3.hidden_size


def test_tensor_and_sequence_parallel_divide_what_a_layer_keeps() -> None:
    switches = Switches(held=Held.BF16, compiled=True, dropout=True, tensor_parallel=8)
    assert kept(GPT3, replace(RUN, devices=8), switches).layer == 34 * 2048 * GPT3.hidden_size / 8


@pytest.mark.parametrize(
    ("name", "sharding", "switches", "gigabytes"),
    [
        ("everything on every device", Sharding.REPLICATED, MIXED, 120.0),
        ("the optimizer's state shared out", Sharding.OPTIMIZER, MIXED, 31.4),
        ("gradients too", Sharding.OPTIMIZER, replace(MIXED, sharded_gradients=True), 16.6),
        ("weights too", Sharding.FULL, MIXED, 1.9),
    ],
)
def test_the_table_of_zero(name: str, sharding: Sharding, switches: Switches, gigabytes: float) -> None:
    """arXiv 1910.02054, figure 1: 7.5e9 weights on 64 devices, 2 + 2 + 12 bytes each, in units of 1e9 bytes."""
    network = replace(LLAMA_8B, parameters=7_500_000_000, vocabulary_size=8)
    run = replace(RUN, devices=64, sharding=sharding, sequence_length=8)
    found = terms(network, run, switches)
    lasting = sum(found.get(what, 0) for what in ("weights", "optimizer state", "gradients"))
    assert lasting / 1e9 == pytest.approx(gigabytes, rel=0.02), name


@pytest.mark.parametrize(
    ("held", "gib"),
    [(Held.FP32, 29.9), (Held.BF16, 14.96), (Held.INT8, 8.5), (Held.NF4, 5.31)],
)
def test_a_base_is_as_large_as_it_is_stored(held: Held, gib: float) -> None:
    """8-bit and 4-bit are of the layers' matrices: 1.05e9 weights of embedding and output stay in 16 bits."""
    run = replace(RUN, adapter=Adapter(parameters=21_000_000))
    assert terms(LLAMA_8B, run, replace(PURE, base=held))["weights that do not learn"] / GIB == pytest.approx(
        gib, rel=0.01
    )


def test_the_trainers_own_state_is_sixteen_bytes_a_weight() -> None:
    found = terms(LLAMA_8B, replace(RUN, sequence_length=8, precision="fp32"), Switches(fused=True))
    lasting = found["weights"] + found["optimizer state"] + found["gradients"]
    assert lasting == 16 * LLAMA_8B.parameters


def test_matrices_of_layers_are_all_weights_but_embeddings_and_norms() -> None:
    outside = 2 * LLAMA_8B.vocabulary_size * LLAMA_8B.hidden_size + (2 * 32 + 1) * 4096
    assert matrices_of_layers(LLAMA_8B) + outside == LLAMA_8B.parameters
    routers, norms = 32 * 8 * 4096, (2 * 32 + 1) * 4096
    assert matrices_of_layers(MIXTRAL) + 2 * 32_000 * 4096 + routers + norms == MIXTRAL.parameters


LONG, SHORT = replace(RUN, rows=8), replace(RUN, sequence_length=8)
LESS = [
    ("full checkpointing", RUN, replace(RUN, checkpointing=Checkpointing.FULL), PURE, PURE),
    ("selective checkpointing", RUN, replace(RUN, checkpointing=Checkpointing.SELECTIVE), PURE, PURE),
    ("compile", RUN, RUN, PURE, replace(PURE, compiled=True)),
    ("a loss in parts", LONG, LONG, replace(PURE, compiled=True), replace(PURE, compiled=True, chunked_loss=True)),
    ("a fused step", SHORT, SHORT, Switches(), Switches(fused=True)),
    ("8-bit moments", RUN, RUN, PURE, replace(PURE, optimizer=Optimizer.ADAMW_8BIT)),
    ("activations in the host's memory", RUN, RUN, PURE, replace(PURE, offloaded_activations=True)),
    ("weights in the host's memory", RUN, RUN, PURE, replace(PURE, offloaded_weights=True)),
    ("an adapter", RUN, replace(RUN, adapter=Adapter(parameters=21_000_000)), PURE, PURE),
    ("shorter rows", RUN, replace(RUN, sequence_length=1024), PURE, PURE),
    ("rows of one sequence, which need no mask", replace(RUN, mean_length=64.0), RUN, PURE, PURE),
    ("a step in the backward pass", SHORT, SHORT, PURE, replace(PURE, step_in_backward=True)),
]


@pytest.mark.parametrize(("name", "run", "other", "switches", "changed"), LESS, ids=[case[0] for case in LESS])
def test_what_takes_less(
    name: str, run: TrainingRun, other: TrainingRun, switches: Switches, changed: Switches
) -> None:
    assert peak(LLAMA_8B, other, changed) < peak(LLAMA_8B, run, switches), name


def test_the_largest_micro_batch_fits_and_one_more_row_does_not() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    for _ in range(100):
        run = replace(
            RUN,
            sequence_length=draw.choice((128, 512, 4096)),
            checkpointing=draw.choice(list(Checkpointing)),
            sharding=draw.choice(list(Sharding)),
            devices=draw.choice((1, 8, 64)),
        )
        device = draw.randrange(24, 192) * GIB
        largest = memory_of_training(LLAMA_8B, run, device_bytes=device, switches=PURE).largest_rows
        assert largest is not None
        if largest:
            assert memory_of_training(LLAMA_8B, replace(run, rows=largest), device_bytes=device, switches=PURE).fits
        over = memory_of_training(LLAMA_8B, replace(run, rows=largest + 1), device_bytes=device, switches=PURE)
        assert not over.fits


def test_no_row_fits_where_weights_alone_are_too_large() -> None:
    found = memory_of_training(LLAMA_8B, RUN, device_bytes=8 * GIB, switches=PURE)
    assert found.largest_rows == 0
    assert found.fits is False


def test_nothing_is_said_of_fitting_where_nobody_knows_the_device() -> None:
    found = memory_of_training(LLAMA_8B, RUN, device_bytes=None)
    assert found.fits is None
    assert found.largest_rows is None


def test_replicas_hold_gradients_a_second_time_while_they_travel() -> None:
    found = terms(LLAMA_8B, replace(RUN, devices=2, precision="fp32"), Switches())
    assert found["gradients on their way to the other processes"] == 4 * LLAMA_8B.parameters


def test_autocast_keeps_the_matrices_in_half_precision_too() -> None:
    found = terms(LLAMA_8B, replace(RUN, rows=8), Switches())
    outputs = LLAMA_8B.vocabulary_size * LLAMA_8B.hidden_size
    assert found["weights in half precision for products"] == 2 * (matrices_of_layers(LLAMA_8B) + outputs)


@pytest.mark.parametrize(
    ("run", "switches", "sentence"),
    [
        (replace(RUN, rows=0), PURE, "rows is 0: it must be 1 or more"),
        (replace(RUN, sequence_length=-1), PURE, "sequence length is -1: it must be 1 or more"),
        (replace(RUN, devices=6), replace(PURE, tensor_parallel=4), "6 devices cannot be divided into groups of 4"),
        (RUN, replace(PURE, held=Held.NF4), "weights that learn are fp32 or bf16, not nf4"),
    ],
)
def test_sizes_that_cannot_be(run: TrainingRun, switches: Switches, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        memory_of_training(LLAMA_8B, run, device_bytes=None, switches=switches)


def serving(**changed: object) -> dict[str, int]:
    given = {"weights_bytes": 16 * 10**9, "kv_bytes_per_token": 131_072, "context": 8192, "sequences": 1}
    return dict(memory_of_serving(LLAMA_8B, **{**given, "device_bytes": None, **changed}).terms)  # type: ignore[arg-type]


def test_the_cache_of_8192_tokens_of_llama_3_1_8b_is_a_gibibyte() -> None:
    assert serving()["key-value cache"] == GIB
    assert serving(sequences=16)["key-value cache"] == 16 * GIB


def test_a_window_bounds_the_cache_of_its_layers() -> None:
    windowed = replace(LLAMA_8B, window=1024, windowed_layers=16)
    given = {"weights_bytes": 0, "kv_bytes_per_token": 131_072, "context": 8192, "sequences": 1, "device_bytes": None}
    assert dict(memory_of_serving(windowed, **given).terms)["key-value cache"] == GIB * (8192 + 1024) / 2 / 8192  # type: ignore[arg-type]


def test_devices_share_a_replica_but_not_the_libraries() -> None:
    whole, half = serving(), serving(devices=2)
    assert half["weights"] == whole["weights"] // 2
    assert half["libraries and context"] == whole["libraries and context"]


def test_most_sequences_fit_and_one_more_does_not() -> None:
    given = {"weights_bytes": 16 * 10**9, "kv_bytes_per_token": 131_072, "context": 8192, "device_bytes": 24 * GIB}
    most = memory_of_serving(LLAMA_8B, sequences=1, **given).largest_rows
    assert most
    assert memory_of_serving(LLAMA_8B, sequences=most, **given).fits
    assert not memory_of_serving(LLAMA_8B, sequences=most + 1, **given).fits


def test_no_sequence_at_all_is_none_to_be_served() -> None:
    with pytest.raises(ValueError, match="sequences is 0: it must be 1 or more"):
        serving(sequences=0)
