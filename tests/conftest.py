"""Fixtures that several levels of tests share."""

pytest_plugins = ("clusters",)
