"""Points in the past of a scene, as the documentation tells of them."""

POINT = "A point is an RFC 3339 time, `seq:<version>` or `snapshot:<id>`."
DEADLINE_S = 10.0
"""Of a question about the past: old versions are built from long logs."""
