"""How many words each scene has: counted soon after an edit, told to events in batches.

`counting` is the work of a worker process, `store` the SQL, `counter` the loop that counts what
changed and tells it, and `walk` finds what no commit of this replica told of.
"""
