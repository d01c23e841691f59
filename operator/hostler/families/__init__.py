"""What the control plane knows of a model family: task, APIs, abilities, formulas. No framework is imported here."""

from hostler.families.family import Availability, Family
from hostler.families.names import FamilyName
from hostler.families.registry import families, family

__all__ = ["Availability", "Family", "FamilyName", "families", "family"]
