"""The log's integrity: read with the chain checked, corrupt events set aside, decided by a person.

`chain` says what continues an aggregate's chain, `log` reads with that check, `quarantine` keeps
what failed it, `verifier` looks for it all the time, `announcing` keeps it from subscribers,
`operations` answers an operator. Whoever else hands out events passes them through `screened`.
"""

from services.events.integrity.quarantine import drop_corrupt_events

__all__ = ["drop_corrupt_events"]
