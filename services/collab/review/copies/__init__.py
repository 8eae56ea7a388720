"""Conversations as they go into a copy of their project, and come out of one."""
