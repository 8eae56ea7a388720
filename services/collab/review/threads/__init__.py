"""Threads of comments on a scene, and the inbox of each person.

`store` speaks SQL, `showing` makes what clients see of rows, `handlers` answers, `serving` says
what is served.
"""
