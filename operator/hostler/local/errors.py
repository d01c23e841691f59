"""Errors of the local cluster: each names the thing that is wrong and the way out."""

from __future__ import annotations


class LocalClusterError(Exception):
    """Something the user can mend. Printed as one line, `what: way out`."""

    def __init__(self, what: str, *, way_out: str = "") -> None:
        self.what = what
        self.way_out = way_out
        super().__init__(f"{what}: {way_out}" if way_out else what)


class ConfigError(LocalClusterError):
    """The node description is not valid."""


class PreflightError(LocalClusterError):
    """This machine lacks something the provider needs."""


class ToolError(LocalClusterError):
    """A program that the cluster is made of cannot be installed or built."""


class StartError(LocalClusterError):
    """A part of the cluster did not become ready."""


class ImageError(LocalClusterError):
    """An image cannot be built, found or loaded."""
