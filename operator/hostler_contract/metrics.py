"""Names, labels and buckets of every metric that Hostler publishes: one place, because dashboards break on renames.

Buckets of request durations are vLLM's end-to-end list with edges for short answers and for jobs of minutes;
those of inter-token latency are vLLM's list with 20, 30 and 40 ms, where usual objectives lie.
"""

from __future__ import annotations

# Serving (labels: SERVING_LABELS).
REQUEST_DURATION = "hostler_request_duration_seconds"
TIME_TO_FIRST_TOKEN = "hostler_time_to_first_token_seconds"
INTER_TOKEN_LATENCY = "hostler_inter_token_latency_seconds"
QUEUE_DURATION = "hostler_queue_duration_seconds"
REQUESTS_IN_FLIGHT = "hostler_requests_in_flight"
TOKENS_TOTAL = "hostler_tokens_total"
BATCH_SIZE = "hostler_batch_size"
IMAGES_TOTAL = "hostler_images_total"
AUDIO_SECONDS_TOTAL = "hostler_audio_seconds_total"
REAL_TIME_FACTOR = "hostler_real_time_factor_ratio"
VIDEO_SECONDS_TOTAL = "hostler_video_seconds_total"
DENOISE_STEPS_TOTAL = "hostler_denoise_steps_total"
PADDING_RATIO = "hostler_padding_ratio"
PHASE_SECONDS_TOTAL = "hostler_phase_seconds_total"

SERVING_LABELS = ("namespace", "service", "model", "family", "task", "accelerator", "revision")
"""Every serving metric carries these; durations of whole requests add ``code``, tokens ``type``, phases ``phase``."""
CODE_LABEL = "code"
TOKEN_TYPE_LABEL = "type"
PHASE_LABEL = "phase"

REQUEST_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0,
    50.0, 60.0, 120.0, 240.0, 300.0, 480.0, 600.0, 960.0, 1800.0, 1920.0, 7680.0,
)  # fmt: skip
TIME_TO_FIRST_TOKEN_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
INTER_TOKEN_LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
    5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip

BATCH_SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
REAL_TIME_FACTOR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)
PADDING_BUCKETS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

# Training, served by rank 0 (labels: TRAINING_LABELS).
TRAINING_STEP = "hostler_training_step"
TRAINING_LOSS = "hostler_training_loss"
TRAINING_UNITS_TOTAL = "hostler_training_units_total"
TRAINING_UNIT_LABEL = "unit"
TRAINING_LOSS_PART = "hostler_training_loss_part"
TRAINING_PART_LABEL = "part"
TRAINING_MEMORY = "hostler_training_memory_bytes"
TRAINING_PACKING_FACTOR = "hostler_training_packing_factor"
TRAINING_DATA_WAIT = "hostler_training_data_wait_ratio"
TRAINING_METRIC = "hostler_training_validation_metric"
TRAINING_METRIC_LABEL = "metric"
TRAINING_STEP_DURATION = "hostler_training_step_duration_seconds"
TRAINING_MFU = "hostler_training_model_flops_utilization_ratio"
TRAINING_LEARNING_RATE = "hostler_training_learning_rate"
TRAINING_GRADIENT_NORM = "hostler_training_gradient_norm"
TRAINING_CHECKPOINT_STEP = "hostler_training_checkpoint_step"
TRAINING_LABELS = ("namespace", "job", "attempt", "family", "accelerator")

# Accelerators, served by the exporter on each node (labels: ACCELERATOR_LABELS).
ACCELERATOR_UTILIZATION = "hostler_accelerator_utilization_ratio"
ACCELERATOR_MEMORY_USED = "hostler_accelerator_memory_used_bytes"
ACCELERATOR_MEMORY_TOTAL = "hostler_accelerator_memory_total_bytes"
ACCELERATOR_POWER = "hostler_accelerator_power_watts"
ACCELERATOR_ENERGY = "hostler_accelerator_energy_joules_total"
ACCELERATOR_HEALTHY = "hostler_accelerator_healthy"
ACCELERATOR_INFO = "hostler_accelerator_info"
ACCELERATOR_SHARES = "hostler_accelerator_shares"
ACCELERATOR_SHARES_HELD = "hostler_accelerator_shares_held"
ACCELERATOR_LABELS = ("vendor", "type", "device", "node", "namespace", "pod", "container", "simulated")

# The simulator says by this series, beside the vendor's own, which devices of the node are not real (value 1).
SIMULATOR_INFO = "hostler_simulator_info"
SIMULATOR_INFO_LABELS = ("type", "devices")

# The exporter about itself. `target` is the URL that was asked, or `kubelet`.
EXPORTER_SCRAPE_ERRORS = "hostler_exporter_scrape_errors_total"
EXPORTER_SCRAPE_DURATION = "hostler_exporter_scrape_duration_seconds"
EXPORTER_TARGET_UP = "hostler_exporter_target_up"
EXPORTER_DEVICES = "hostler_exporter_devices"
EXPORTER_UNMATCHED_DEVICES = "hostler_exporter_unmatched_devices"
