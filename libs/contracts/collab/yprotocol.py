"""The y-websocket wire protocol, as far as a server needs it.

A message is a varUint type and its body (y-protocols/PROTOCOL.md): sync 0, awareness 1, auth 2,
query awareness 3. A sync body is a varUint step (step1 0, step2 1, update 2) and a length-prefixed
byte string. ACK is our own addition, sent only to clients that ask for it (`acks=1`).
"""

SYNC = 0
AWARENESS = 1
AUTH = 2
QUERY_AWARENESS = 3
ACK = 100

STEP1 = 0
STEP2 = 1
UPDATE = 2

EMPTY_UPDATE = b"\x00\x00"
"""An update with no structs and no deletions, which clients send to say "I have nothing"."""
NO_STRUCTS = b"\x00"
"""How an update begins that only deletes."""
EMPTY_STATE_VECTOR = b"\x00"

_VARINT_BYTES_MAX = 8
"""2^53 - 1 is the largest number of JavaScript, so longer encodings are never honest."""


class Malformed(ValueError):
    """The bytes are not a message of this protocol."""


def varuint(number: int) -> bytes:
    """Encode a non-negative integer, 7 bits a byte, lowest first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varuint(data: bytes, at: int) -> tuple[int, int]:
    """Decode the integer at *at*; returns it and the offset after it.

    Raises:
        Malformed: The data ends within it, or it is longer than JavaScript can mean.
    """
    if at < len(data) and (byte := data[at]) < 0x80:
        return byte, at + 1
    number = shift = 0
    for offset in range(at, min(at + _VARINT_BYTES_MAX, len(data))):
        byte = data[offset]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, offset + 1
        shift += 7
    raise Malformed("bad variable-length integer")


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Decode the length-prefixed byte string at *at*; returns it and the offset after it.

    Raises:
        Malformed: It is longer than the data.
    """
    length, start = read_varuint(data, at)
    end = start + length
    if end > len(data):
        raise Malformed("byte string longer than the message")
    return data[start:end], end


def deletions_by_client(update: bytes) -> dict[int, bytes]:
    """Split an update without structs into the encoded ranges of each client.

    Two encodings of the same deletions differ only in the order of clients, so these compare.

    Raises:
        Malformed: It is no such update.
    """
    if not update.startswith(NO_STRUCTS):
        raise Malformed("an update with structs")
    count, at = read_varuint(update, 1)
    found: dict[int, bytes] = {}
    for _ in range(count):
        client, at = read_varuint(update, at)
        start = at
        ranges, at = read_varuint(update, at)
        for _ in range(2 * ranges):
            _, at = read_varuint(update, at)
        found[client] = update[start:at]
    return found


def sync_message(step: int, body: bytes) -> bytes:
    """Encode a sync message."""
    return bytes((SYNC, step)) + varuint(len(body)) + body


def awareness_message(body: bytes) -> bytes:
    """Encode an awareness message."""
    return bytes((AWARENESS,)) + varuint(len(body)) + body


def permission_denied(reason: str) -> bytes:
    """Encode the auth message by which y-protocols refuses."""
    text = reason.encode()
    return bytes((AUTH, 0)) + varuint(len(text)) + text


def ack_message(seq: int, received: int, answers: int) -> bytes:
    """Encode a durable acknowledgement.

    Args:
        seq: The log sequence of the scene up to which this connection's edits are durable.
        received: How many edits of this connection are durable, counted from its opening:
            updates, and each step 2 that held something new.
        answers: How many of them were step 2, which providers send by themselves. Clients that
            know two numbers only do not read it.
    """
    return bytes((ACK,)) + varuint(seq) + varuint(received) + varuint(answers)
