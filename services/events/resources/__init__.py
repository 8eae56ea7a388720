"""Requests about single aggregates and lists of them, generic over every kind.

`commands` change them, `reads` and `lists` show them. Members, grants, files and the story bible
have requests of their own.
"""
