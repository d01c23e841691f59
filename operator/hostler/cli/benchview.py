"""Benchmarks of pools as people and programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]


def facts(pool: str, found: Object) -> Object:
    """One benchmark as a flat record; what is not known is null."""
    return {
        "pool": pool,
        "load": found["load"],
        "family": found["shape"]["family"],
        "acceleratorType": found["acceleratorType"],
        "devices": found["shape"].get("devices", 1),
        "speed": found["speed"],
        "perWatt": found.get("perWatt"),
        "power": found.get("power"),
        "costPerHour": found.get("costPerHour"),
        "perCurrency": found.get("perCurrency"),
        "precision": found.get("precision"),
        "at": found["at"],
        "image": found["image"],
        "simulated": bool(found.get("simulated")),
        "outdated": bool(found.get("outdated")),
        "note": note(found),
    }


def note(found: Object) -> str:
    """What a reader has to know of a figure."""
    said = []
    if found.get("outdated"):
        said.append("outdated: of another image or type")
    if found.get("simulated"):
        said.append("simulated")
    if not found.get("perCurrency"):
        said.append("no price")
    return ", ".join(said)


def figure(measurement: Object | None) -> str:
    """A figure with its unit, and digits in groups; empty where there is none."""
    return "" if measurement is None else f"{number(float(measurement['value']))} {measurement['unit']}"


def number(value: float) -> str:
    """Four figures, never an exponent for what people can read."""
    if value >= 1000:
        return f"{float(f'{value:.4g}'):,.0f}"
    return f"{value:.4g}" if value >= 1e-4 else f"{value:.3e}"


def short(found: Sequence[Object]) -> str:
    """The newest of each load that still holds, for a cell of a table."""
    good = [each for each in found if not each.get("outdated")]
    told = [f"{each['load']} {figure(each['speed'])}" for each in good[:2]]
    more = len(good) - len(told)
    left = [f"and {more} more"] if more > 0 else []
    old = len(found) - len(good)
    return "; ".join([*told, *left, *([f"{old} outdated"] if old else [])])
