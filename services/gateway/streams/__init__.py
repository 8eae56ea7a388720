"""Event streams: whoever follows a project is sent its events as they are announced.

`tail` reads a project's log once for all who follow it here, `stream` is one follower's place in
it, `rights` what they may be shown, `sse` how that is written, `streams` the open ones and their
limits. The log is the truth and the bus only wakes: nothing is ever missed, and a stream goes on
at any gateway.
"""

from services.gateway.streams.streams import Streams

__all__ = ["Streams"]
