"""The integrity of the log: corrupt events are found, quarantined, and decided about by a person.

`model.chain` checks chains and `store.log` reads with that check. `quarantine` keeps corrupt
events, `verifier` searches for them all the time, `publish_filter` withholds them from subscribers,
and `operations` answers operators. Other code that returns events calls `drop_corrupt_events`.
"""

from services.events.integrity.quarantine import drop_corrupt_events

__all__ = ["drop_corrupt_events"]
