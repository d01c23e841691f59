"""What a PriorityClass says, as the API server reads it for pods."""

from __future__ import annotations

from builders import make_priority_class
from tables import table

from hostler.planning.priorities import NO_CLASS, Priority, find_priority, reject_priority

HIGH = make_priority_class("high", 1000)
POLITE = make_priority_class("polite", 500, preemptionPolicy="Never")
LOW = make_priority_class("low", -10, globalDefault=True)
USUAL = make_priority_class("usual", 10, globalDefault=True)
SYSTEM = make_priority_class("system-node-critical", 2_000_001_000)


@table(
    ("name", "classes", "want"),
    {
        "a class by its name": ("high", [LOW, HIGH], Priority(value=1000)),
        "one whose pods do not preempt": ("polite", [POLITE], Priority(value=500, preempts=False)),
        "none is named, and there is no default": (None, [HIGH], NO_CLASS),
        "none is named: the default": (None, [HIGH, LOW], Priority(value=-10)),
        "of several defaults the lowest, as for pods": (None, [USUAL, LOW], Priority(value=-10)),
        "one that does not exist": ("hihg", [HIGH], None),
    },
)
def test_the_priority_of_a_workload(name: str | None, classes: list[dict], want: Priority | None) -> None:
    assert find_priority(name, classes) == want
    assert (reject_priority(name, classes) is None) == (want is not None)


@table(
    ("name", "classes", "want"),
    {
        "a slip of the pen": ("hihg", [HIGH, LOW], "there is no PriorityClass hihg; did you mean high?"),
        "something else": ("gold", [HIGH, LOW], "there is no PriorityClass gold; there are high, low."),
        "nobody has made any: Kubernetes' own are for its own": (
            "gold",
            [SYSTEM],
            "there is no PriorityClass gold, and no other one either: create it, or remove the field.",
        ),
    },
)
def test_a_class_that_does_not_exist_is_answered_with_those_that_do(name: str, classes: list[dict], want: str) -> None:
    found = reject_priority(name, classes)
    assert found is not None
    assert (found.reason, found.message) == ("PriorityClassNotFound", f"spec.priorityClassName: {want}")
