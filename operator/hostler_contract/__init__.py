"""What the control plane and the containers say to each other.

This package is imported by the operator (which has no torch) and by the runtime images (which have no
Kubernetes client), so it needs nothing but pydantic. Every message carries ``schemaVersion``; a reader accepts
its own major version and ignores fields it does not know, so that an operator can be upgraded while pods of
the previous release are still running.
"""

from hostler_contract.architectures import ModelConfig, TransformerConfig
from hostler_contract.checkpoint import CheckpointManifest
from hostler_contract.dataset import DatasetReport, InspectionConfig
from hostler_contract.errors import ErrorReason
from hostler_contract.feedback import FeedbackRecord
from hostler_contract.importing import ImportConfig, ImportProgress, ImportReport
from hostler_contract.job import (
    CheckpointPolicy,
    DatasetConfig,
    DatasetSource,
    EvaluationConfig,
    Hyperparameters,
    Inputs,
    JobConfig,
    PackingConfig,
    StopAt,
    Topology,
)
from hostler_contract.message import SCHEMA_VERSION, Message
from hostler_contract.objective import Objective, ObjectiveConfig, Supervision
from hostler_contract.preparing import PreparationReport
from hostler_contract.progress import Progress
from hostler_contract.result import ArtifactFacts, Result
from hostler_contract.serving import SampleFile, SampleRequest, ServingConfig

__all__ = [
    "SCHEMA_VERSION",
    "ArtifactFacts",
    "CheckpointManifest",
    "CheckpointPolicy",
    "DatasetConfig",
    "DatasetReport",
    "DatasetSource",
    "ErrorReason",
    "EvaluationConfig",
    "FeedbackRecord",
    "Hyperparameters",
    "ImportConfig",
    "ImportProgress",
    "ImportReport",
    "Inputs",
    "InspectionConfig",
    "JobConfig",
    "Message",
    "ModelConfig",
    "Objective",
    "ObjectiveConfig",
    "PackingConfig",
    "PreparationReport",
    "Progress",
    "Result",
    "SampleFile",
    "SampleRequest",
    "ServingConfig",
    "StopAt",
    "Supervision",
    "Topology",
    "TransformerConfig",
]
