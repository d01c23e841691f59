"""A torch for machines without an accelerator, made from the wheel that every package index has.

PyPI's torch for Linux is the CUDA build: 3 GB with its dependencies, 5.5 GB installed. PyTorch's own CPU index has a
small one, but is not reachable everywhere. This package turns PyPI's pinned wheel into ``torch-2.13.0+cpuslim``
(about 140 MB): the CUDA libraries go, and stub libraries answer the loader for the few symbols of them that the
rest still names.

Limits of the result, each under test: ``device="cuda"`` raises an ordinary error, but ``torch.cuda.nccl`` must not
be touched and ``is_nccl_available()`` lies, so the backend is chosen by ``torch.cuda.is_available()``;
``torch.compile`` needs the headers that are dropped here.
"""

from hostler.local.torchwheel.build import WheelRequest, ensure_wheel
from hostler.local.torchwheel.errors import TorchWheelError
from hostler.local.torchwheel.pins import LOCAL_VERSION, TORCH_VERSION

__all__ = ["LOCAL_VERSION", "TORCH_VERSION", "TorchWheelError", "WheelRequest", "ensure_wheel"]
