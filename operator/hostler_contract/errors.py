"""Why a container stopped: a closed list, because a reason becomes a condition that people alert on."""

from __future__ import annotations

from enum import StrEnum


class ErrorReason(StrEnum):
    """Machine-readable reasons; the sentence for people travels beside it."""

    INVALID_CONFIGURATION = "InvalidConfiguration"
    """The job or serving configuration does not make sense (a trainer cannot build the model it describes)."""

    DATASET_NOT_FOUND = "DatasetNotFound"
    """The path, key or URL holds nothing."""

    DATASET_INVALID = "DatasetInvalid"
    """The data is there but cannot be used: empty, too short, not text, checksum differs."""

    ARTIFACT_UNREADABLE = "ArtifactUnreadable"
    """A server could not load the model: files are missing, damaged or of another architecture."""

    DATASET_CHANGED = "DatasetChanged"
    """The data is not what the checkpoints were trained on."""

    CHECKPOINT_UNREADABLE = "CheckpointUnreadable"
    """A checkpoint with a manifest exists but cannot be restored."""

    TRAINING_DIVERGED = "TrainingDiverged"
    """The loss became NaN or infinite."""

    OUT_OF_MEMORY = "OutOfMemory"
    """The device or the container ran out of memory, as it would again at the same size."""

    STORAGE_FULL = "StorageFull"
    """The workspace volume has no room left."""

    SAMPLE_REQUEST_FAILED = "SampleRequestFailed"
    """The server loaded, but the model's own sample request did not succeed."""

    INTERRUPTED = "Interrupted"
    """The pod was asked to stop (SIGTERM: a drain, a preemption); what was done is in a checkpoint."""

    INTERNAL = "InternalError"
    """Anything else; the message holds the exception's type and text."""

    @property
    def retryable(self) -> bool:
        """True where another attempt from the last checkpoint may succeed without a change by the user."""
        return self in _RETRYABLE


_RETRYABLE = frozenset({ErrorReason.INTERNAL, ErrorReason.INTERRUPTED})
