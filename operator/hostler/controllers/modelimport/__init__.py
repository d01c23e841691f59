"""Models whose files come from a hub: a Job brings them onto a claim once, and what it says becomes the status."""

from hostler.controllers.modelimport.controller import ModelImports

__all__ = ["ModelImports"]
