"""The text of every scene: an append-only log of Yjs updates, shared live."""
