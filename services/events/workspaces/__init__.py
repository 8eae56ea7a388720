"""Whole projects: clones, templates, exports and imports; and the library of a person."""
