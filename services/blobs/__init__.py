"""Content by its SHA-256: uploads, reading, logical paths, collection."""
