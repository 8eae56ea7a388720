"""Authorship: by whom, in which run and when each span of a text was written, from the log."""
