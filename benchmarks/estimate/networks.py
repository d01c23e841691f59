"""Sizes of networks that were published, by their public configurations."""

from __future__ import annotations

from hostler.planning.estimate.shapes import Network

LLAMA_3_1_8B = Network(
    parameters=8_030_261_248, active_parameters=7_504_924_672, layers=32, hidden_size=4096, heads=32, kv_heads=8,
    head_size=128, intermediate_size=14_336, vocabulary_size=128_256,
)  # fmt: skip
LLAMA_3_1_70B = Network(
    parameters=70_553_706_496, active_parameters=69_503_033_344, layers=80, hidden_size=8192, heads=64, kv_heads=8,
    head_size=128, intermediate_size=28_672, vocabulary_size=128_256,
)  # fmt: skip
LLAMA_3_2_3B = Network(
    parameters=3_212_749_824, active_parameters=3_212_749_824, layers=28, hidden_size=3072, heads=24, kv_heads=8,
    head_size=128, intermediate_size=8192, vocabulary_size=128_256, tied=True,
)  # fmt: skip
BY_NAME = {"Llama-3.1-8B": LLAMA_3_1_8B, "Llama-3.1-70B": LLAMA_3_1_70B, "Llama-3.2-3B": LLAMA_3_2_3B}
