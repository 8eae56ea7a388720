"""The events service: durable history of everything but text, and its projections."""
