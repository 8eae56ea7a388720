"""Retention: old events are deleted, and the state that they fold into is kept in their place."""

from services.events.retention.forgetting import forget, forgotten_after

__all__ = ["forget", "forgotten_after"]
