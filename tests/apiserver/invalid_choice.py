"""What the API server refuses of what a job needs and may cost, and of what a pool says of its power."""

from __future__ import annotations

from typing import Any

from apiserver.refusal import Invalid
from builders import edited, make_pool, make_training_job

Object = dict[str, Any]

_PATH = "spec.accelerators"
_CHOOSE = f"{_PATH}.choose"
_GRID = "spec.grid"
_RATE = {"currency": "USD", "rate": "0.92", "date": "2026-11-27", "source": "a bank"}


def _choosing(**choose: Any) -> Object:
    return edited(make_training_job(), _PATH, {"choose": choose})


def _grid(grid: Object) -> Object:
    return make_pool(grid={"gramsPerKilowattHour": "380", "source": "a supplier", "date": "2026-01-01"} | grid)


def _limited(limit: Object) -> Object:
    return make_training_job(maxCost=limit)


def _rated(*rates: Object) -> Object:
    return _choosing(currency="EUR", rates=[_RATE | rate for rate in rates])


CHOICE = (
    Invalid(
        "neither a pool nor a choice", edited(make_training_job(), _PATH, {"perPod": 1}), _PATH,
        "name a pool, or say with choose",
    ),
    Invalid(
        "a pool and a choice", edited(make_training_job(), _PATH, {"pool": "gpu", "choose": {}}), _PATH, "and not both"
    ),
    Invalid("a class that there is not", _choosing(classes=["dsp"]), f"{_CHOOSE}.classes[0]", '"npu"'),
    Invalid("a class twice", _choosing(classes=["gpu", "gpu"]), f"{_CHOOSE}.classes[1]", "Duplicate"),
    Invalid("a type twice", _choosing(types=["nvidia-t4", "nvidia-t4"]), f"{_CHOOSE}.types[1]", "Duplicate"),
    Invalid("the best of something else", _choosing(optimize="beauty"), f"{_CHOOSE}.optimize", '"energy"'),
    Invalid("memory that is no quantity", _choosing(memory="plenty"), f"{_CHOOSE}.memory", "such as 512Mi or 4Gi"),
    Invalid("a precision that there is not", _choosing(precision="int3"), f"{_CHOOSE}.precision", '"bf16"'),
    Invalid("a currency in small letters to compare in", _choosing(currency="eur"), f"{_CHOOSE}.currency", "[A-Z]{3}"),
    Invalid("a rate of nothing", _rated({"rate": "0"}), f"{_CHOOSE}.rates[0].rate", "above 0"),
    Invalid("a negative rate", _rated({"rate": "-1"}), f"{_CHOOSE}.rates[0].rate", "-1"),
    Invalid("a rate without a day", _choosing(rates=[{"currency": "USD", "rate": "1", "source": "x"}]),
            f"{_CHOOSE}.rates[0].date", "Required"),
    Invalid("a rate of a day that there is not", _rated({"date": "2026-02-30"}), f"{_CHOOSE}.rates[0].date", "date"),
    Invalid("a cost of nothing", _limited({"amount": "0", "currency": "EUR"}), "spec.maxCost.amount", "above 0"),
    Invalid("a cost below nothing", _limited({"amount": "-1", "currency": "EUR"}), "spec.maxCost.amount", "-1"),
    Invalid("a cost as a number", _limited({"amount": 20, "currency": "EUR"}), "spec.maxCost.amount", "string"),
    Invalid("a cost without a currency", _limited({"amount": "20"}), "spec.maxCost.currency", "Required"),
    Invalid("a grid of nothing", _grid({"gramsPerKilowattHour": "0"}), f"{_GRID}.gramsPerKilowattHour", "above 0"),
    Invalid("a grid in numbers", _grid({"gramsPerKilowattHour": 380}), f"{_GRID}.gramsPerKilowattHour", "string"),
    Invalid("a grid of some day", _grid({"date": "yesterday"}), f"{_GRID}.date", "date"),
    Invalid("no time to take", make_training_job(maxDuration="0s"), "spec.maxDuration", "above 0"),
    Invalid("two rates of one currency", _rated({}, {"rate": "0.9"}), f"{_CHOOSE}.rates[1]", "Duplicate"),
)  # fmt: skip
