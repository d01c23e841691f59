"""What all families ask before they read or run a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.pretrained import from_base, unreadable, use_granted_threads


@pytest.mark.parametrize(
    ("granted", "want"),
    [
        pytest.param("3", [3], id="as many threads as the pod was granted"),
        pytest.param("", [], id="torch's own choice where nothing was granted"),
        pytest.param("0", [], id="none is no number of threads"),
        pytest.param("4,2", [], id="a list for nested regions is left to the library"),
    ],
)
def test_the_number_of_threads(granted: str, want: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setenv("OMP_NUM_THREADS", granted)

    use_granted_threads()

    assert taken == want


def test_a_base_model_that_cannot_be_served_ends_a_job_for_the_same_reason() -> None:
    def read() -> Any:
        raise unreadable("there is no config.json")

    with pytest.raises(RuntimeFailure) as failed:
        from_base(read, what="the base model")

    assert failed.value.reason is ErrorReason.ARTIFACT_UNREADABLE
    assert failed.value.message == "the base model cannot be used: there is no config.json"
