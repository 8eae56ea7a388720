"""Requests to the events service, the resources it keeps, and the events it announces."""
