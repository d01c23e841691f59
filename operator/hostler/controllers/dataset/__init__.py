"""Dataset: a Job looks at each generation once, and its report becomes the status."""

from hostler.controllers.dataset.controller import DatasetController

__all__ = ["DatasetController"]
