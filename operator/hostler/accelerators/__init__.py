"""The accelerator registry: types as data files, their loader, and what each can run."""

from hostler.accelerators.matrix import Compatibility, Verb, Verdict, compatibility
from hostler.accelerators.model import AcceleratorType, Contract, ResourceNameError
from hostler.accelerators.registry import UnknownAcceleratorError, accelerator, accelerators, types_of_resource

__all__ = [
    "AcceleratorType",
    "Compatibility",
    "Contract",
    "ResourceNameError",
    "UnknownAcceleratorError",
    "Verb",
    "Verdict",
    "accelerator",
    "accelerators",
    "compatibility",
    "types_of_resource",
]
