"""Sends frames one after the other, and notes how the server ends the matter each time."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pycrdt import Doc, Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from libs.contracts.collab.yprotocol import (
    ACK,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    awareness_message,
    sync_message,
    varuint,
)
from tests.support.yclient import Address

ANSWER_WAIT_S = 10.0
ALIVE = 0
"""The server took or ignored the frame, and the connection lives."""
ATTACKERS = 4
_PLAIN: dict[str, Any] = {
    "compression": None,
    "ping_interval": None,
    "max_size": None,
    "close_timeout": 1,
}

type Frame = bytes | str
type Frames = Callable[[random.Random], Iterator[Frame]]


async def assault(
    address: Address, frames: list[Frame], *, until_acknowledged: bool = False
) -> Counter[int]:
    """Send *frames* from a few connections; returns how often each close code was the answer.

    With *until_acknowledged* an edit counts as taken only when its acknowledgement came: what it
    holds is judged by collab, after the gateway has let it pass.
    """
    expected = bytes((ACK,)) if until_acknowledged else bytes((SYNC, STEP2))
    outcomes: Counter[int] = Counter()
    shares = [frames[start::ATTACKERS] for start in range(ATTACKERS)]
    await asyncio.gather(*(_attack(address, share, outcomes, expected) for share in shares))
    return outcomes


async def _attack(
    address: Address, frames: list[Frame], outcomes: Counter[int], expected: bytes
) -> None:
    left = iter(frames)
    frame = next(left, None)
    while frame is not None:
        async with connect(address(), **_PLAIN) as it:
            try:
                while frame is not None:
                    await it.send(frame)
                    await _answer(it, expected)
                    outcomes[ALIVE] += 1
                    frame = next(left, None)
            except ConnectionClosed as end:
                outcomes[end.rcvd.code if end.rcvd else 1006] += 1
                frame = next(left, None)


async def _answer(socket: ClientConnection, expected: bytes) -> None:
    """Ask for a sync, and wait for the message that shows that the connection is still served."""
    await socket.send(sync_message(STEP1, b"\x00"))
    async with asyncio.timeout(ANSWER_WAIT_S):
        while True:
            message = await socket.recv()
            if isinstance(message, bytes) and message.startswith(expected):
                return


def updates(rnd: random.Random) -> Iterator[bytes]:
    """Genuine updates of a document with some history."""
    found: list[bytes] = []
    doc: Doc[Text] = Doc()
    text = doc.get("content", type=Text)
    subscription = doc.observe(lambda event: found.append(event.update))
    while True:
        if len(text) > 40 and rnd.random() < 0.3:
            start = rnd.randrange(len(text) - 5)
            del text[start : start + 5]
        else:
            text.insert(
                rnd.randrange(len(text) + 1), rnd.choice(["word ", "a", "longer text here "])
            )
        yield found[-1]
        if len(found) > 500:
            doc.unobserve(subscription)
            return


def truncated(rnd: random.Random) -> Iterator[Frame]:
    """The update ends early; or the whole message does."""
    while True:
        for update in updates(rnd):
            cut = update[: rnd.randrange(1, len(update))]
            message = sync_message(UPDATE, update)
            yield rnd.choice([sync_message(UPDATE, cut), message[: rnd.randrange(1, len(message))]])


def flipped(rnd: random.Random) -> Iterator[Frame]:
    """One to three bits of the message are wrong."""
    while True:
        for update in updates(rnd):
            message = bytearray(sync_message(UPDATE, update))
            for _ in range(rnd.randint(1, 3)):
                message[rnd.randrange(len(message))] ^= 1 << rnd.randrange(8)
            yield bytes(message)


def nested(rnd: random.Random) -> Iterator[Frame]:
    """Arrays and maps 30,000 deep, which overflow the stack of whoever decodes them."""
    head = b"\x01\x01\x01\x00\x08\x01\x01t\x01"
    while True:
        level = rnd.choice([b"\x75\x01", b"\x76\x01\x01k"])
        step = rnd.choice([UPDATE, STEP2])
        yield sync_message(step, head + level * 30_000 + b"\x7f\x00")


def oversize(rnd: random.Random) -> Iterator[Frame]:
    """A little too long, and much too long."""
    # Made once each: a thousand of their own would be more than a gigabyte here.
    lengths = ((1 << 20) + 1, (1 << 20) + 100, 2 << 20)
    made = [sync_message(UPDATE, bytes(length)) for length in lengths]
    while True:
        yield rnd.choice(made)


def nonsense(rnd: random.Random) -> Iterator[Frame]:
    """Frames of no protocol: random bytes, text, wrong lengths, endless integers."""
    while True:
        yield rnd.choice(
            [
                rnd.randbytes(rnd.randrange(1, 200)),
                b"",
                "text",
                json.dumps({"type": "client.hello"}),
                bytes((SYNC,)) + varuint(rnd.randrange(3, 1 << 20)) + b"\x01\x00",
                bytes((SYNC, UPDATE)) + varuint(1 << 40) + b"abc",
                bytes((SYNC, UPDATE)) + b"\xff" * rnd.randrange(1, 200),
                b"\xff" * rnd.randrange(1, 64),
                varuint(rnd.randrange(5, 1 << 30)) + rnd.randbytes(20),
                sync_message(UPDATE, b""),
                sync_message(STEP2, rnd.randbytes(rnd.randrange(1, 100))),
                sync_message(STEP1, rnd.randbytes(rnd.randrange(1, 100))),
                sync_message(STEP1, b""),
                sync_message(STEP1, b"\xff\xff\xff\xff\x0f" + b"\x01" * 50),
            ]
        )


def bad_awareness(rnd: random.Random) -> Iterator[Frame]:
    """Presence that is not JSON, too large, too deep, or would break those who hear of it."""
    while True:
        state = rnd.choice(
            [
                b"{",
                b"[1]",
                b'"name"',
                b"\xff\xfe\x00",
                b"[" * 8_000,
                b'{"a":' * 1_200 + b"1" + b"}" * 1_200,
                b'{"a":' + b"[" * 4_000 + b"]" * 4_000 + b"}",
                b'{"user":{"name":"' + b"x" * 9_000 + b'"}}',
                b'{"cursor":"\\ud800"}',
                b'{"a":NaN}',
                b'{"a":1e999}',
                b'{"a":' + b"9" * 5_000 + b"}",
                b"null",
            ]
        )
        client = rnd.choice([rnd.getrandbits(32), (1 << 53) - 1, 1 << 55])
        clock = rnd.choice([1, rnd.getrandbits(30), (1 << 53) - 1, 1 << 55])
        body = b"\x01" + varuint(client) + varuint(clock) + varuint(len(state)) + state
        yield awareness_message(
            rnd.choice([body, body, body[:-1], varuint(1 << 30) + body[1:], rnd.randbytes(30)])
        )
