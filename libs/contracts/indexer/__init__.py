"""What the indexer answers and what it is told."""
