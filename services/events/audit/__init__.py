"""The audit trail and the activity of a project: views of the log for people.

`store` finds events, recent ones by index and archived ones in their chunks; `lines` describes
them; `handlers` answers requests.
"""
