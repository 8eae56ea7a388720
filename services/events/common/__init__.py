"""Shared by the handlers of all areas: contexts and claims of commands, checks, references."""
