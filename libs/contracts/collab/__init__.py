"""Requests to the collab service, and the frames of live editing."""
