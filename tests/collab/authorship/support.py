"""People who type, and what the API tells of their spans."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pycrdt import Doc, Text

from tests.collab.history.support import Room
from tests.support.people import Person
from tests.support.yclient import YClient
from tools.stack import Stack

type Told = list[tuple[str | None, str | None]]
"""Spans as their text and the name of their author."""


def editor(stack: Stack, room: Room, person: Person) -> YClient:
    """An editor of the scene, as *person*."""
    base = stack.url.replace("http", "ws", 1)
    address = f"{base}/collab/{room.scene}?token={person.token}&acks=1"
    return YClient(lambda: address, person.name)


@asynccontextmanager
async def two_editors(stack: Stack, room: Room) -> AsyncGenerator[tuple[YClient, YClient]]:
    """An editor of Ada's and one of Ben's."""
    async with editor(stack, room, room.ada) as one, editor(stack, room, room.ben) as two:
        await one.wait_synced()
        await two.wait_synced()
        yield one, two


async def typed(writer: YClient, reader: YClient, text: str, at: int | None = None) -> None:
    """Type, and wait until it is durable and the other editor shows it."""
    writer.type(text, at)
    await reader.until_reads(str(writer.text))
    await writer.until(lambda: writer.acked >= writer.clock)


async def spans(room: Room, **params: Any) -> Told:
    """The spans of a version, each as its text and its author; they cover the whole text."""
    answer = await room.get("/authorship", **params)
    named = {key: value for key, value in params.items() if key in {"at", "branch"}}
    units = (await room.text(**named)).encode("utf-16-le")
    names = {one["userId"]: one["displayName"] for one in answer["authors"]}
    found: Told = []
    reached = 0
    for span in answer["spans"]:
        assert span["from"] == reached
        reached = span["to"]
        text = units[span["from"] * 2 : span["to"] * 2].decode("utf-16-le")
        found.append((text, names.get(span["userId"])))
    assert reached == len(units) // 2 or answer["nextCursor"]
    return found


def replayed_authors[By](rows: Sequence[bytes], authors: Sequence[By]) -> list[By]:
    """The author of each character, by the places that pycrdt tells of; for ASCII alone."""
    doc: Doc[Any] = Doc()
    text = doc.get("content", type=Text)
    found: list[By] = []
    deltas: list[list[dict[str, Any]]] = []

    def noted(event: Any) -> None:
        deltas.append(list(event.delta))

    subscription = text.observe(noted)
    for row, author in zip(rows, authors, strict=True):
        doc.apply_update(row)
        for delta in deltas:
            at = 0
            for op in delta:
                if "retain" in op:
                    at += op["retain"]
                elif "delete" in op:
                    del found[at : at + op["delete"]]
                else:
                    found[at:at] = [author] * len(op["insert"])
                    at += len(op["insert"])
        deltas.clear()
    text.unobserve(subscription)
    return found
