"""InferenceService: replicas of a model behind one address."""

from hostler.controllers.inferenceservice.controller import InferenceServiceController

__all__ = ["InferenceServiceController"]
