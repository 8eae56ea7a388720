"""Metrics of every task; the task's name is the only label, and names are few."""

from prometheus_client import Counter, Gauge, Histogram

runs = Counter("scriptorium_task_runs_total", "Steps of tasks that succeeded.", ["task"])
failures = Counter("scriptorium_task_failures_total", "Steps that failed.", ["task"])
seconds = Histogram(
    "scriptorium_task_seconds",
    "Time that a step took.",
    ["task"],
    buckets=(0.01, 0.1, 1, 10, 100),
)
success_age = Gauge(
    "scriptorium_task_success_age_seconds",
    "Since a step last succeeded, or since the task began.",
    ["task"],
)
stalled = Gauge(
    "scriptorium_task_stalled",
    "1 when a task has not succeeded for longer than it may take: it hangs, fails or is dead.",
    ["task"],
)
