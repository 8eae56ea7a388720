"""Contents that an older system kept in rows become blobs with paths."""
