"""Every route of the HTTP surface, one file for each part of it."""
