"""Hostler: a Kubernetes operator for the life of generative models on the accelerators a team owns."""

__version__ = "0.1.0"
