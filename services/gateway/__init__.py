"""The public edge: identity, permissions, limits, and every HTTP and WebSocket byte."""
