"""Server-sent events as bytes (WHATWG HTML, 9.2). `id` is where a client goes on."""


def message(position: int, data: bytes) -> bytes:
    """Return an event; *data* is one line."""
    return b"id: %d\ndata: %s\n\n" % (position, data)


def mark(position: int) -> bytes:
    """Return what moves a client's `lastEventId` without an event."""
    return b"id: %d\n\n" % position


def retry(milliseconds: int) -> bytes:
    """Return how long a client should wait before it comes back."""
    return b"retry: %d\n\n" % milliseconds


def comment(text: str) -> bytes:
    """Return what clients ignore and people may read."""
    return f": {text}\n\n".encode()
