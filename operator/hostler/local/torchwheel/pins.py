"""Which torch is repacked. A new version is a decision: 2.15.0, repacked the same way, fails at import."""

from __future__ import annotations

from typing import Final

TORCH_VERSION: Final = "2.13.0"
LOCAL_VERSION: Final = f"{TORCH_VERSION}+cpuslim"
PLATFORM: Final = "manylinux_2_28_x86_64"

WHEEL_SHA256: Final = {
    "3.11": "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
    "3.12": "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",
    "3.13": "a3a9a21312872af8a26950b2c15680335a386a1f56ed03e780653d78b9607e9e",
}
"""SHA-256 of PyPI's ``manylinux_2_28_x86_64`` wheel by Python version."""

DROPPED_LIBRARIES: Final = (
    "libtorch_cuda.so",
    "libtorch_cuda_linalg.so",
    "libtorch_nvshmem.so",
    "libcaffe2_nvrtc.so",
)
"""Libraries that only run on CUDA. ``libtorch_cuda.so`` comes back as a stub."""

DROPPED_PATHS: Final = ("torch/include/", "torch/test/", "torch/share/", "torch/bin/protoc")
"""Prefixes not needed at run time. ``torch/bin/torch_shm_manager`` stays: the import fails without it."""

DROPPED_REQUIREMENTS: Final = ("nvidia-", "cuda-", "triton")
"""Requirements that leave METADATA; kept, the next ``pip install`` would bring 2.4 GB of CUDA back."""
