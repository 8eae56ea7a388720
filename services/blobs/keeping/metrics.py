"""Metrics of stored bytes."""

from prometheus_client import Counter, Gauge

verified_bytes = Counter(
    "scriptorium_blobs_verified_bytes_total", "Plain bytes that were read again and compared."
)
verify_age_s = Gauge(
    "scriptorium_blobs_verified_age_seconds",
    "Since everything was last found sound, or since the walk under way began.",
)
verify_stopped = Counter(
    "scriptorium_blobs_verify_stopped_total",
    "Verifications that ended early because a storage was away or not the one that is known.",
)
mended = Counter(
    "scriptorium_blobs_mended_total", "Blobs in quarantine whose objects were found sound again."
)
quarantined = Gauge("scriptorium_blobs_quarantine_open", "Blobs whose damage is not mended.")
moves = Counter(
    "scriptorium_blobs_moves_total", "Blobs that changed their tier, by where to.", ["tier"]
)
for _tier in ("hot", "cold"):
    moves.labels(_tier)
kept_bytes = Gauge("scriptorium_blobs_kept_bytes", "Plain content of all blobs that have bytes.")
kept_stored_bytes = Gauge("scriptorium_blobs_kept_stored_bytes", "The same as it is stored.")
kept = Gauge("scriptorium_blobs_kept", "Blobs that have bytes.")
archived = Gauge("scriptorium_blobs_archived", "Blobs in the cold tier.")
archived_bytes = Gauge("scriptorium_blobs_archived_stored_bytes", "Their stored size there.")
referenced_bytes = Gauge(
    "scriptorium_blobs_referenced_bytes",
    "Plain content once for each reference; an entity's file and its path are one.",
)
referenced_once_bytes = Gauge(
    "scriptorium_blobs_referenced_once_bytes",
    "Plain content once for each blob that anything refers to.",
)
