"""The runbooks know every word that an alert may say: whoever is paged finds it there, with what helps."""

from __future__ import annotations

import re

import pytest
from unit.metrics.test_alerts import sections

from hostler.api.dataset import DatasetReason
from hostler.api.inferenceservice import ServiceReason
from hostler.api.pool import PoolReason
from hostler.api.trainingjob import TrainingReason
from hostler.controllers.passes import NOT_WRITTEN
from hostler.controllers.trainingjob.actions.over import JOB_DELETED, TAKEN_BACK
from hostler.metrics.facts import NOT_ADMITTED, facts_of
from hostler.planning.failures import CONTAINER_FAILED, POD_DELETED, POD_EVICTED, POD_LOST, RESULT_MISSING
from hostler.planning.verdicts import Loss
from hostler_contract import ErrorReason

T, S, D = TrainingReason, ServiceReason, DatasetReason

NOBODY_WAITS = {
    T.VALID, T.PLACED, T.LOADING, T.IMPORTING, T.PREPARING, T.TRAINING, T.EVALUATING, T.SAVING, T.REGISTERING,
    T.SUCCEEDED, T.FAILED, T.RESTARTS_EXHAUSTED, T.DISRUPTIONS_EXHAUSTED, T.DEADLINE_EXCEEDED,
    T.COST_LIMIT_REACHED, T.DURATION_LIMIT_REACHED, T.MANAGED_ELSEWHERE, T.SUSPENDED, T.NOT_SUSPENDED, T.NOT_FINISHED,
    S.SERVING, S.NOT_ADMITTED, D.DATA_INVALID, D.INSPECTION_FAILED,
}  # fmt: skip
"""All is well, or it is over, or another condition has the reason."""
WAITS = {reason.value for reason in (*T, *S, *D)} - {reason.value for reason in NOBODY_WAITS}

ENDS_FOR_GOOD = {
    T.RESTARTS_EXHAUSTED.value,
    T.DISRUPTIONS_EXHAUSTED.value,
    T.DEADLINE_EXCEEDED.value,
    T.COST_LIMIT_REACHED.value,
    T.DURATION_LIMIT_REACHED.value,
    RESULT_MISSING,
    *(
        reason.value
        for reason in ErrorReason
        if not reason.retryable and reason is not ErrorReason.SAMPLE_REQUEST_FAILED
    ),
}
COSTS_AN_ATTEMPT = {
    POD_DELETED, POD_EVICTED, POD_LOST, CONTAINER_FAILED, JOB_DELETED, TAKEN_BACK, T.START_TIMEOUT.value,
    *(reason.value for reason in ErrorReason if reason.retryable),
}  # fmt: skip

SAID = {
    "HostlerObjectWaiting": WAITS | {"Unknown"},
    "HostlerTrainingJobFailed": ENDS_FOR_GOOD,
    "HostlerTrainingJobsRestarting": COSTS_AN_ATTEMPT,
    "HostlerServiceDown": {S.REPLICA_FAILED, S.NO_ENDPOINTS, S.NOT_ADMITTED},
    "HostlerServiceNeverReady": {S.REPLICA_FAILED, S.NOT_ADMITTED, S.STARTING},
    "HostlerPoolNotReady": {reason.value for reason in PoolReason}
    - {reason.value for reason in (PoolReason.DEVICES_AVAILABLE, PoolReason.SCALED_TO_ZERO)}
    - {PoolReason.WITHIN_CAPACITY.value, PoolReason.QUOTAS_EXCEED_CAPACITY.value}
    - {PoolReason.PRICE_OF_THE_FUTURE.value, PoolReason.PRICE_WITHOUT_DAY.value},
    "HostlerSeatsLost": {*(loss.value for loss in Loss), NOT_WRITTEN},
}


@pytest.mark.parametrize("alert", SAID)
def test_every_reason_that_an_alert_may_name_is_in_its_runbook(alert: str) -> None:
    words = set(re.findall(r"`([A-Za-z]+)`", sections()[alert.lower()]))
    assert set(SAID[alert]) - words == set()


def test_the_word_for_a_service_that_is_not_admitted_is_the_apis() -> None:
    assert S.NOT_ADMITTED.value == NOT_ADMITTED
    assert facts_of("InferenceService", {"metadata": {}, "spec": {}}).state == "Unknown"
