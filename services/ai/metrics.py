"""Metrics of the ai service."""

from prometheus_client import Counter, Gauge, Histogram

runs_ended = Counter(
    "scriptorium_ai_runs_ended_total", "Runs that ended, by kind and status.", ["kind", "status"]
)
runs_taken = Counter("scriptorium_ai_runs_taken_total", "Runs that this replica took up.")
leases_lost = Counter(
    "scriptorium_ai_leases_lost_total", "Runs that another worker took over while they were done."
)
steps_recorded = Counter("scriptorium_ai_steps_recorded_total", "Steps whose result was recorded.")
step_retries = Counter("scriptorium_ai_step_retries_total", "Steps that were tried again.")
run_seconds = Histogram(
    "scriptorium_ai_run_seconds",
    "Time from taking a run up to its end, by kind.",
    ["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
queued = Gauge("scriptorium_ai_queued_runs", "Runs that wait for a worker.")
running = Gauge("scriptorium_ai_running_runs", "Runs that a worker has taken up.")
abandoned = Gauge("scriptorium_ai_abandoned_runs", "Running runs whose lease has expired.")
wait_s = Gauge("scriptorium_ai_wait_seconds", "How long the oldest queued run has waited.")
