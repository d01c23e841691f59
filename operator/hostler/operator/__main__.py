"""``python -m hostler.operator``: the entry point of the image."""

from __future__ import annotations

from hostler.operator.command import run

if __name__ == "__main__":
    run(prog_name="hostler-operator")
