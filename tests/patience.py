"""How long a test waits for a condition before it says that it will not come.

The one number bounds a hang and claims nothing about speed: machines differ by more than three, and the tests share
theirs with whatever else runs there. What must be quick is shown by a ratio within one run, by a count of work done, or
by a benchmark.
"""

from __future__ import annotations

PATIENCE = 300.0
"""Seconds. A container that has to import torch on a busy machine takes the longest of all that is waited for."""
