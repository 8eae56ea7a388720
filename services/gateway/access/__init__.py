"""Authorisation of every request and socket: permissions, rate limits, the schema gate."""
