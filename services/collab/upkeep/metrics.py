"""What upkeep counts."""

from prometheus_client import Counter, Histogram

compactions = Counter(
    "yjs_primary_compactions", "Attempts to compact a scene's log, by outcome.", ["outcome"]
)
compaction_seconds = Histogram(
    "yjs_primary_compaction_seconds",
    "Time to make and prove a compacted row, rests included.",
    buckets=(0.01, 0.05, 0.25, 1, 5, 25, 100, 500),
)
pruned_rows = Counter(
    "yjs_primary_pruned_rows", "Originals removed after retention, held by a compacted row."
)
pruned_bytes = Counter("yjs_primary_pruned_bytes", "Bytes of updates in them.")
verification_failures = Counter(
    "yjs_primary_verification_failures",
    "Heads and rows that are not what they should be.",
    ["kind"],
)
for _kind in ("head", "compacted", "log"):
    verification_failures.labels(_kind)  # counted from nought, so that an alert sees the first
verified_scenes = Counter("yjs_primary_verified_scenes", "Scenes that were checked for damage.")
repairs = Counter("yjs_primary_repairs", "What came of repairs.", ["kind", "outcome"])
