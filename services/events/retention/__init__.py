"""Forgetting what is older than a policy says, and what remains in its place."""

from services.events.retention.forgetting import forget, forgotten_after

__all__ = ["forget", "forgotten_after"]
