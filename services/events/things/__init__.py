"""Things as the indexer asks for them: what they say, where they are, whether they show."""
