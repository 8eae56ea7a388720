"""Reads a project from events and collab, as the person who began a run.

`manuscript` reads texts, `bible` reads entities, canon and what is recorded of scenes.
"""
