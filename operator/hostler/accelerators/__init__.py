"""The accelerator registry: types as data files, their loader, and what each can run."""

from hostler.accelerators.model import AcceleratorType, Contract, ResourceNameError
from hostler.accelerators.registry import UnknownAcceleratorError, accelerator, accelerators, types_of_resource

__all__ = [
    "AcceleratorType",
    "Contract",
    "ResourceNameError",
    "UnknownAcceleratorError",
    "accelerator",
    "accelerators",
    "types_of_resource",
]
