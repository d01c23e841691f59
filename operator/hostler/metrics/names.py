"""Names and buckets of the operator's own metrics; those that cross into containers stand in ``hostler_contract``."""

from __future__ import annotations

LEADER = "hostler_operator_leader"

QUEUE_DEPTH = "hostler_operator_queue_depth"
QUEUE_ADDS = "hostler_operator_queue_adds_total"
QUEUE_LATENCY = "hostler_operator_queue_latency_seconds"
QUEUE_RETRIES = "hostler_operator_queue_retries_total"
QUEUE_WORK = "hostler_operator_queue_work_seconds"

RECONCILES = "hostler_operator_reconcile_total"
RECONCILE_DURATION = "hostler_operator_reconcile_duration_seconds"

API_REQUESTS = "hostler_operator_api_requests_total"
API_DURATION = "hostler_operator_api_request_duration_seconds"
WRITES_SKIPPED = "hostler_operator_writes_skipped_total"
EVENTS_DROPPED = "hostler_operator_events_dropped_total"

WATCH_AGE = "hostler_operator_watch_age_seconds"
WATCH_RESTARTS = "hostler_operator_watch_restarts_total"
STORE_OBJECTS = "hostler_operator_store_objects"
SWEEP_DELETIONS = "hostler_operator_sweep_deletions_total"
LOOP_LAG = "hostler_operator_loop_lag_seconds"
LOOP_BUSY = "hostler_operator_loop_busy_seconds"
PROBES = "hostler_operator_probes_total"
PROBES_IN_FLIGHT = "hostler_operator_probes_in_flight"

ADMISSION_PASS = "hostler_admission_pass_duration_seconds"
ADMISSION_WAIT = "hostler_admission_wait_seconds"
SEATS_LOST = "hostler_admission_seats_lost_total"
BACKFILLS = "hostler_admission_backfills_total"
PREEMPTIONS = "hostler_admission_preemptions_total"
FORECAST_ERROR = "hostler_admission_forecast_error_seconds"
FORECAST_RATIO = "hostler_admission_forecast_ratio"
FORECASTS = "hostler_admission_forecasts_total"
ESTIMATE_RATIO = "hostler_estimate_ratio"
ESTIMATES = "hostler_estimates_total"
COST = "hostler_cost_total"
DEVICE_SECONDS = "hostler_device_seconds_total"

TRAINING_JOBS = "hostler_trainingjobs"
INFERENCE_SERVICES = "hostler_inferenceservices"
DATASETS = "hostler_datasets"
MODELS = "hostler_models"
POOLS = "hostler_pools"

WAITING = "hostler_waiting"
WAITING_SECONDS = "hostler_waiting_seconds"
DESIRED_REPLICAS = "hostler_inferenceservice_desired_replicas"
READY_REPLICAS = "hostler_inferenceservice_ready_replicas"
EVER_READY = "hostler_inferenceservice_ever_ready"
OMITTED = "hostler_omitted_objects"
RESTARTS = "hostler_trainingjob_restarts_total"
FAILURES = "hostler_trainingjob_failures_total"
REPLICA_FAILURES = "hostler_inferenceservice_replica_failures_total"

POOL_READY = "hostler_pool_ready"
POOL_CAPACITY = "hostler_pool_capacity"
POOL_ALLOCATABLE = "hostler_pool_allocatable"
POOL_IN_USE = "hostler_pool_in_use"
POOL_RESERVED = "hostler_pool_reserved"
POOL_UNHEALTHY = "hostler_pool_unhealthy"
POOL_LARGEST_FREE_BLOCK = "hostler_pool_largest_free_block"
POOL_WAITING = "hostler_pool_waiting"
POOL_OVERDUE = "hostler_pool_overdue_seconds"
POOL_UNUSABLE = "hostler_pool_unusable_free"
POOL_BELOW_QUOTA = "hostler_pool_quotas_below_nominal"
NAMESPACE_HELD = "hostler_pool_namespace_reserved"
NAMESPACE_WAITING = "hostler_pool_namespace_waiting"
NAMESPACE_SHARE = "hostler_pool_namespace_share"
POOL_QUOTA = "hostler_pool_quota"
POOL_COST = "hostler_pool_cost_per_hour"

SHORT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of a queue, a reconcile or a request: from a no-op in memory to the longest that is allowed."""
LINE_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0)
"""Of waiting for a seat: from a pass of admission to three days."""
ERROR_BUCKETS = (-14400.0, -3600.0, -900.0, -300.0, -60.0, 0.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Of how much later than foretold something came; negative is sooner."""
RATIO_BUCKETS = (0.1, 0.25, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0, 4.0, 10.0)
"""Of what came as a multiple of what was foretold; 1 is right."""
