"""The accelerator registry: types as data files, their loader, and what each can run."""

from hostler.accelerators.model import AcceleratorType, Contract
from hostler.accelerators.registry import UnknownAcceleratorError, accelerator, accelerators

__all__ = ["AcceleratorType", "Contract", "UnknownAcceleratorError", "accelerator", "accelerators"]
