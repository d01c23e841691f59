"""TrainingJob: attempts, one after another, until a Model is registered."""

from hostler.controllers.trainingjob.controller import TrainingJobController

__all__ = ["TrainingJobController"]
