"""Kubernetes quantities as whole numbers: millicores and bytes. Requests round up, offers round down."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

_SUFFIXES = {
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}


def parse(text: str | int | float) -> Decimal:
    """The number that a quantity means. Raises ``ValueError`` naming the text."""
    written = str(text)
    for suffix, factor in _SUFFIXES.items():
        if written.endswith(suffix):
            return _number(written.removesuffix(suffix), written) * factor
    return _number(written, written)


def whole(text: str | int | float) -> int:
    """A count of devices or an offer of bytes, rounded down."""
    return int(parse(text).to_integral_value(ROUND_FLOOR))


def millicores(text: str | int | float) -> int:
    """CPU in thousandths of a core, rounded up as the scheduler does."""
    return int((parse(text) * 1000).to_integral_value(ROUND_CEILING))


def cores(text: str | int | float) -> int:
    """Whole cores that cover a CPU request."""
    return max(1, int(parse(text).to_integral_value(ROUND_CEILING)))


def show_cores(milli: int) -> str:
    """Millicores for people: ``2`` or ``1.5``."""
    return f"{milli / 1000:.10g}"


def show_bytes(count: int) -> str:
    """Bytes for people, in the largest binary unit that keeps the figure above 1, with one decimal at most."""
    for power, unit in ((40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")):
        if count >= 2**power:
            return f"{count / 2**power:.1f}".removesuffix(".0") + unit
    return str(count)


def _number(text: str, written: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{written!r} is not a Kubernetes quantity such as 500m, 2 or 4Gi") from None
