"""What a person knows of the work, where the spec does not say it: so many tokens, so much text, so often."""

from __future__ import annotations

from dataclasses import dataclass

BYTES_PER_TOKEN = 4.0
"""Of UTF-8 text in European languages and code, with vocabularies of 30,000 to 130,000 (OpenAI's help pages: a token is
about four characters of English). Chinese and Japanese have two to three."""
_HOUR = 3600.0
_OPTIONS = {
    "tokens": {"tokens": 1.0, "gigabytes": 1e9 / BYTES_PER_TOKEN},
    "images": {"images": 1.0},
    "clips": {"images": 1.0},
    "audio-seconds": {"hours_of_audio": _HOUR},
}
"""What counts for families of each unit, and how many units one of it is."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """How much a person says there is to learn from."""

    tokens: float | None = None
    gigabytes: float | None = None
    """Of plain text, 10^9 bytes each."""
    images: float | None = None
    """Images or clips."""
    hours_of_audio: float | None = None
    epochs: float | None = None
    """How often all of it is seen; None means once."""

    def units(self, unit: str) -> float | None:
        """In a family's unit, over all epochs; None where nothing is said. Raises ``ValueError`` where what is said is
        nothing that such a family learns from."""
        amounts: dict[str, float] = {
            name: value for name, value in vars(self).items() if name != "epochs" and value is not None
        }
        for name, value in vars(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{option(name)} is {value:g}: it must be above 0")
        if not amounts:
            if self.epochs is not None:
                raise ValueError(f"--epochs says how often the data is seen: say how much it is with {_ways(unit)}")
            return None
        if len(amounts) > 1:
            raise ValueError(f"give one of {' and '.join(map(option, amounts))}: they say the same thing")
        ((name, value),) = amounts.items()
        worth = _OPTIONS.get(unit, {}).get(name)
        if worth is None:
            raise ValueError(f"{option(name)} says nothing of a family that learns from {unit}: give {_ways(unit)}")
        return float(value * worth * (self.epochs or 1.0))


def option(name: str) -> str:
    """As people write it."""
    return f"--{name.replace('_', '-')}"


def _ways(unit: str) -> str:
    return " or ".join(map(option, _OPTIONS.get(unit, {}))) or "the steps in spec.training.steps"
