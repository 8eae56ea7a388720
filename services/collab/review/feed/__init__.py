"""The facts of the review, kept and read again: for subscribers of server-sent events."""
