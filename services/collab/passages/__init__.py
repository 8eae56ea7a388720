"""The text of a scene block by block, with the ids of characters at their ends."""
