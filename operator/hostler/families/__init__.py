"""What the control plane knows of a model family: task, APIs, formulas. No framework is imported here."""

from hostler.families.family import Availability, Family, Shape
from hostler.families.registry import families, family

__all__ = ["Availability", "Family", "Shape", "families", "family"]
