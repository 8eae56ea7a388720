"""Server-sent events as bytes (WHATWG HTML, 9.2). `id` is where a client goes on."""


def message(event_id: str, data: bytes) -> bytes:
    """Return an event; *data* is one line."""
    return b"id: %s\ndata: %s\n\n" % (event_id.encode(), data)


def mark(event_id: str) -> bytes:
    """Return what moves a client's `lastEventId` without an event."""
    return b"id: %s\n\n" % event_id.encode()


def retry(milliseconds: int) -> bytes:
    """Return how long a client should wait before it comes back."""
    return b"retry: %d\n\n" % milliseconds


def comment(text: str) -> bytes:
    """Return what clients ignore and people may read."""
    return f": {text}\n\n".encode()
