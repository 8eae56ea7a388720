"""Scenes with a past: written into the log as it would have been, and compacted as upkeep does."""

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import httpx
from pycrdt import Doc, Text

from tests.support.people import Person

TRACE = Path(__file__).parents[3] / "data" / "traces" / "automerge-paper.sequential.json.gz"
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=60)
"""Longer ago than originals are kept."""
EDITS = 4_000
PAUSE = timedelta(hours=3)
"""Between two sittings; within one, an edit a second."""
SITTING = 700


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a recorded session: by the first (0) or the second (1) person."""

    update: bytes
    who: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Recording:
    """A session, and what it was at any time."""

    edits: list[Edit]

    def text(self, seq: int) -> str:
        """The text after *seq* edits, by replaying them one by one."""
        return text_of(self.doc(seq))

    def doc(self, seq: int) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        for edit in self.edits[:seq]:
            doc.apply_update(edit.update)
        return doc


def text_of(doc: Doc[Any]) -> str:
    return str(doc.get("content", type=Text))


def recorded(edits: int = EDITS) -> Recording:
    """Type the beginning of the trace again, by two people who take turns."""
    rnd = random.Random(7)
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    docs: list[Doc[Any]] = [Doc(client_id=11), Doc(client_id=22)]
    texts = [doc.get("content", type=Text) for doc in docs]
    found: list[Edit] = []
    made: list[bytes] = []
    for doc in docs:
        doc.observe(lambda event: made.append(event.update))
    who, turn, at = 0, 40, BEGAN
    for number, txn in enumerate(trace["txns"][:edits]):
        if not turn:
            known = docs[1 - who].get_state()
            docs[1 - who].apply_update(docs[who].get_update(known))
            who, turn = 1 - who, rnd.randrange(1, 120)
        turn -= 1
        made.clear()
        with docs[who].transaction():
            for place, deleted, inserted in txn["patches"]:
                # The trace is ASCII here, so that characters are bytes.
                if deleted:
                    del texts[who][place : place + deleted]
                if inserted:
                    texts[who].insert(place, inserted)
        at += PAUSE if number and number % SITTING == 0 else timedelta(seconds=1)
        found.append(Edit(made[0], who, at))
    return Recording(found)


@dataclass(slots=True)
class Room:
    """A scene and two people, with the log at hand."""

    ada: Person
    ben: Person
    project: str
    scene: str
    owner: asyncpg.Connection

    @property
    def path(self) -> str:
        return f"/api/scenes/{self.scene}"

    async def play(self, recording: Recording, seq_from: int = 1, seq_to: int = EDITS) -> None:
        """Write a recording, or a part of it, into the log of the scene."""
        people = [UUID(self.ada.id), UUID(self.ben.id)]
        await self.owner.copy_records_to_table(
            "scene_versions",
            records=[
                (
                    UUID(self.scene),
                    seq,
                    edit.update,
                    1,
                    people[edit.who],
                    edit.at,
                    crc32(edit.update),
                )
                for seq, edit in enumerate(recording.edits[seq_from - 1 : seq_to], seq_from)
            ],
            columns=(
                "scene_id",
                "seq",
                "yjs_update",
                "client_id",
                "created_by",
                "created_at",
                "checksum",
            ),
        )

    async def compact(self, recording: Recording, upto: int, *, prune: bool) -> None:
        """Make one row of the versions up to *upto*, and forget them, as upkeep does in time."""
        scene = UUID(self.scene)
        state = recording.doc(upto).get_update()
        after = await self.owner.fetchval(
            "SELECT coalesce(max(seq), 0) FROM scene_versions WHERE scene_id = $1 AND is_compacted",
            scene,
        )
        async with self.owner.transaction():
            await self.owner.execute(
                """
                INSERT INTO editing_sessions SELECT $1, * FROM
                editing_sessions_of($1, $2, interval '30 minutes', $3)
                """,
                scene,
                after,
                upto,
            )
            await self.owner.execute(
                """
                INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by,
                    is_compacted, compacted_count, checksum)
                VALUES ($1, $2::bigint, $3, 0, $4, true, $2::bigint, $5)
                """,
                scene,
                upto,
                state,
                UUID(int=0),
                crc32(state),
            )
            await self.owner.execute(
                """
                UPDATE scene_versions SET compacted_by = $3
                WHERE scene_id = $1 AND seq <= $2 AND NOT is_compacted
                """,
                scene,
                upto,
                uuid4(),
            )
            if prune:
                await self.owner.execute(
                    """
                    DELETE FROM scene_versions
                    WHERE scene_id = $1 AND seq <= $2 AND NOT is_compacted
                    """,
                    scene,
                    upto,
                )

    async def text(self, **params: str) -> str:
        """The text, at a point or of a branch."""
        answer = await self.content(**params)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def content(self, **params: str) -> httpx.Response:
        return await self.ada.http.get(f"{self.path}/content", params=params)

    async def write(self, content: Any, form: str = "text", branch: str | None = None) -> int:
        """Make the scene, or a branch, read this; returns the seq."""
        answer = await self.ada.http.put(
            f"{self.path}/content",
            params={"branch": branch} if branch else {},
            json={"format": form, "content": content},
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["seq"])

    async def get(self, path: str, **params: str) -> Any:
        answer = await self.ada.http.get(self.path + path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self.ada.http.post(self.path + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def paragraphs(*texts: str) -> list[dict[str, Any]]:
    """Blocks of a Tiptap scene."""
    return [{"type": "paragraph", "children": [{"text": text}]} for text in texts]


def said(blocks: Sequence[dict[str, Any]]) -> list[str]:
    """What blocks say."""
    return ["".join(child["text"] for child in block["children"]) for block in blocks]
