"""Metrics of collection."""

from prometheus_client import Counter, Gauge

claims = Counter(
    "scriptorium_blobs_claims_settled_total", "Old claims that events was asked about.", ["outcome"]
)
collected_bytes = Counter(
    "scriptorium_blobs_collected_bytes_total", "Bytes of plain content that were let go."
)
rounds = Counter("scriptorium_blobs_collections_total", "Collections, by outcome.", ["outcome"])
for _outcome in ("done", "stopped"):
    rounds.labels(_outcome)  # counted from nought, so that an alert sees the first
round_age_s = Gauge(
    "scriptorium_blobs_collection_age_seconds",
    "Since the last collection ended, or since the one under way began.",
)
condemned = Gauge("scriptorium_blobs_condemned", "Blobs that wait for the end of their grace.")
condemned_bytes = Gauge("scriptorium_blobs_condemned_bytes", "Their plain content.")
overdue_s = Gauge(
    "scriptorium_blobs_condemned_overdue_seconds",
    "How long the oldest condemned blob has outstayed its grace; 0 for none.",
)
open_claims = Gauge("scriptorium_blobs_open_claims", "Claims that nothing is known of yet.")
dangling = Counter(
    "scriptorium_blobs_dangling_total", "References to bytes that we do not have, when met."
)
