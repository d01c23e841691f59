"""Arithmetic with answers that others published."""

from __future__ import annotations

import pytest

from hostler.planning.estimate.operations import operations_of_devices, petaflop_days, training_operations
from hostler.planning.estimate.shapes import Network, TrainingRun

GPT3 = Network(
    parameters=174_600_000_000, active_parameters=174_600_000_000, layers=96, hidden_size=12_288, heads=96, kv_heads=96,
    head_size=128, intermediate_size=49_152, vocabulary_size=50_257, gated=False, tied=True,
)  # fmt: skip


def test_gpt_1_by_the_time_of_its_devices() -> None:
    """ "AI and Compute" (OpenAI, 2018): 8 GPUs of 12 teraflop/s for 30 days at a third of their peak are 0.95."""
    operations = operations_of_devices(devices=8, seconds=30 * 86_400, peak=12e12)
    assert petaflop_days(operations) == pytest.approx(0.95, abs=0.005)


def test_gpt_3_by_its_weights_and_tokens() -> None:
    """Table D.1 of arXiv 2005.14165: 3.14e23 operations; attention, which it leaves out, is a hundredth more."""
    of_token = training_operations(GPT3, TrainingRun(devices=1, sequence_length=2048, rows=1))
    weights = 6 * GPT3.active_parameters
    assert weights * 300e9 == pytest.approx(3.14e23, rel=0.002)
    assert of_token / weights == pytest.approx(1.0138, abs=0.001)
