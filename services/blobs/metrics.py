"""Metrics of uploads and downloads."""

from prometheus_client import Counter, Gauge, Histogram

uploads = Counter(
    "scriptorium_blobs_uploads_total",
    "Uploads that ended, by outcome: stored, deduplicated, or the code of the error.",
    ["outcome"],
)
for _outcome in ("stored", "deduplicated", "STORAGE_FULL", "UNAVAILABLE"):
    uploads.labels(_outcome)  # counted from nought, so that an alert sees the first
received_bytes = Counter("scriptorium_blobs_received_bytes_total", "Plain bytes of new blobs.")
stored_bytes = Counter("scriptorium_blobs_stored_bytes_total", "The same as they were stored.")
deduplicated_bytes = Counter(
    "scriptorium_blobs_deduplicated_bytes_total",
    "Plain bytes of uploads that their projects had already, whether they were sent or not.",
)
sent_bytes = Counter("scriptorium_blobs_sent_bytes_total", "Plain bytes that were read.")
damage = Counter(
    "scriptorium_blobs_damage_total", "Stored frames or blobs found damaged.", ["reason"]
)
for _reason in ("short", "digest", "codec", "content", "missing", "piece"):
    damage.labels(_reason)
transfers = Gauge("scriptorium_blobs_transfers", "Transfers under way.", ["op"])
upload_seconds = Histogram(
    "scriptorium_blobs_upload_seconds",
    "From the first byte of an upload to its blob.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
unfinished = Gauge(
    "scriptorium_blobs_uploads_unfinished",
    "Uploads of which all bytes are here, and that could not be finished at the first try.",
)
storage_usable = Gauge(
    "scriptorium_blobs_storage_usable",
    "1 while the storage of a tier can be reached and has the mark that this database knows.",
    ["tier"],
)
doomed = Gauge("scriptorium_blobs_doomed", "Keys that are due to be deleted from storage.")

REFUSALS = (
    "CONTENT_MISMATCH",
    "TOO_LARGE",
    "QUOTA_EXCEEDED",
    "BLOB_DAMAGED",
    "STORAGE_FULL",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
)
for _outcome in ("stored", "deduplicated", *REFUSALS):
    uploads.labels(_outcome)
for _reason in ("missing", "short", "digest", "codec", "content", "piece"):
    damage.labels(_reason)
