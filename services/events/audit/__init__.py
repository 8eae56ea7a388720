"""The audit trail and the activity of a project: the log read for people.

`store` finds events, young ones by index and old ones in their chunks; `lines` puts them into
words; `handlers` answers.
"""
