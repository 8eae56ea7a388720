"""Metrics of the indexer."""

from prometheus_client import Counter, Gauge, Histogram

indexed = Counter(
    "scriptorium_indexer_indexed_total", "Documents whose chunks were brought up to date.", ["kind"]
)
failed = Counter("scriptorium_indexer_index_failures_total", "Documents that were postponed.")
index_seconds = Histogram(
    "scriptorium_indexer_index_seconds", "Time to bring the chunks of one document up to date."
)
chunks_changed = Counter(
    "scriptorium_indexer_chunks_changed_total", "Chunks whose row was written."
)
points_written = Counter("scriptorium_indexer_points_written_total", "Points that were written.")
points_deleted = Counter("scriptorium_indexer_points_deleted_total", "Points that were deleted.")
embedded = Counter("scriptorium_indexer_embedded_total", "Texts that were embedded.")
embed_reused = Counter(
    "scriptorium_indexer_embeddings_reused_total", "Texts whose vector was known already."
)
embed_failed = Counter("scriptorium_indexer_embed_failures_total", "Texts that were not embedded.")
embed_retries = Counter(
    "scriptorium_indexer_embed_retries_total",
    "Requests to the server of embeddings that were not answered with vectors.",
    ["kind"],
)
for _kind in ("busy", "failed", "unanswered"):
    embed_retries.labels(_kind)
embed_seconds = Histogram("scriptorium_indexer_embed_seconds", "Time to embed one text.")
search_seconds = Histogram(
    "scriptorium_indexer_search_seconds",
    "Time to answer a search, by mode.",
    ["mode"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
engine_seconds = Histogram(
    "scriptorium_indexer_engine_seconds",
    "Time of the vector engine, by operation.",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
stale_hits = Counter(
    "scriptorium_indexer_stale_hits_total",
    "Points that a search found and that no live row stands behind: they were not shown.",
)
due = Gauge("scriptorium_indexer_due_documents", "Documents that wait to be indexed.")
lag_s = Gauge("scriptorium_indexer_lag_seconds", "Age of the oldest notice that waits.")
unwritten = Gauge("scriptorium_indexer_unwritten_chunks", "Chunks whose point is to be written.")
unembedded = Gauge("scriptorium_indexer_unembedded_chunks", "Chunks that wait for their vector.")
gone = Gauge("scriptorium_indexer_gone_points", "Points that the engine still has to forget.")
drift = Counter(
    "scriptorium_indexer_drift_total",
    "Points without a row that were deleted, and rows without their point that were written again.",
    ["kind"],
)
