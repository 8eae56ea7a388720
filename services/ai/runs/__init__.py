"""Runs: taken up, done step by step, ended; and the questions about them.

`steps` records results, `worker` takes runs up and gives them back, `handlers` answer, `showing`
turns rows into what clients see, `erasing` forgets what is purged.
"""
