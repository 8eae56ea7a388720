"""Erasing what is purged: the first thing that collab does because of a fact.

`consumer` hears that a scene is purged and notes it; what is noted is not forgotten, whoever dies.
`worker` erases what is noted, a piece at a time, and looks again for a while.
"""
