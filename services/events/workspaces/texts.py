"""The texts of a package: exported from collab and imported there, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.conversations import (
    PLANT_CONVERSATION,
    TAKE_CONVERSATION,
    PlantConversation,
    TakeConversation,
)
from libs.contracts.events.workspaces import PLANT_TEXT, TAKE_TEXT, PlantText, TakeText
from libs.postgres import Connection
from services.events.workspaces.importing import imported_id
from services.events.workspaces.store import SQL

AT_ONCE = 4
"""Concurrent requests to collab; few, so that people who type hardly notice."""
TEXT_DEADLINE_S = 30.0
"""A large text takes collab a second or two, more when it is busy."""

type Progress = Callable[[int, int, int], Awaitable[None]]
"""Is called with the number of texts done, of all texts, and up to which number all are done."""


class SceneTexts:
    """Moves texts between packages and collab."""

    def __init__(self, caller: Caller) -> None:
        """Send requests to collab over *caller*."""
        self._caller = caller

    async def read(
        self,
        connection: Connection,
        package_id: UUID,
        actor: Actor,
        progress: Progress,
        *,
        conversations: bool = False,
    ) -> None:
        """Export the texts that the package does not have yet, with their *conversations*.

        Raises:
            errors.Unavailable: Collab is not available; exported texts stay.
            errors.TooLarge: A text is longer than a copy may be.
        """
        counts = await connection.fetchrow(SQL.text_counts, package_id)
        assert counts is not None
        done: int = counts["read"]
        while rows := await connection.fetch(SQL.unread_texts, package_id, AT_ONCE):
            found = await asyncio.gather(
                *(
                    self._caller.ask(
                        TAKE_TEXT,
                        TakeText(scene_id=row["scene_id"]),
                        actor,
                        deadline_s=TEXT_DEADLINE_S,
                    )
                    for row in rows
                )
            )
            for row, text in zip(rows, found, strict=True):
                if conversations and text.size:
                    await self._read_conversation(connection, package_id, row, actor)
                # After them, because it forgets where they are.
                await connection.execute(
                    SQL.fill_text, package_id, row["number"], text.packed, text.size
                )
            done += len(rows)
            await progress(done, counts["total"], 0)

    async def _read_conversation(
        self, connection: Connection, package_id: UUID, row: asyncpg.Record, actor: Actor
    ) -> None:
        """Export all pages about a scene; those of an attempt that died are read again."""
        await connection.execute(SQL.drop_conversations, package_id, row["number"])
        question: TakeConversation | None = TakeConversation(scene_id=row["scene_id"], patches=True)
        number = 0
        while question:
            page = await self._caller.ask(
                TAKE_CONVERSATION, question, actor, deadline_s=TEXT_DEADLINE_S
            )
            if page.size:
                await connection.execute(
                    SQL.put_conversation, package_id, row["number"], number, page.packed, page.size
                )
            number += 1
            after = page.after
            question = question.model_copy(update={"after": after}) if after else None

    async def write(
        self,
        connection: Connection,
        package_id: UUID,
        actor: Actor,
        seed: UUID,
        progress: Progress,
        *,
        after: int = 0,
        check: bool = False,
    ) -> None:
        """Import the texts under the ids of their future scenes, or only *check* them.

        After each text follow the conversations about it.

        Args:
            connection: The connection to the database of the package.
            package_id: The package.
            actor: The author of the imported texts.
            seed: The seed of the new ids.
            progress: Is called after each group of texts.
            after: The number up to which texts are imported already.
            check: Whether the texts are only checked.

        Raises:
            errors.Unavailable: Collab is not available; imported texts stay and may be repeated.
            errors.Invalid: A text is not valid; `at` is its number.
        """
        counts = await connection.fetchrow(SQL.text_counts, package_id)
        assert counts is not None
        done = 0
        while rows := await connection.fetch(SQL.texts, package_id, after, AT_ONCE):
            await asyncio.gather(*(self._plant(row, seed, actor, check=check) for row in rows))
            if not check:
                for row in rows:
                    await self._plant_conversation(
                        connection, package_id, row["number"], seed, actor
                    )
            done, after = done + len(rows), rows[-1]["number"]
            await progress(done, counts["written"], 0 if check else after)

    async def _plant(self, row: asyncpg.Record, seed: UUID, actor: Actor, *, check: bool) -> None:
        scene_id = imported_id(seed, row["number"])
        question = PlantText.model_construct(
            scene_id=scene_id, packed=row["packed"], size=row["size"], check=check
        )
        try:
            await self._caller.ask(PLANT_TEXT, question, actor, deadline_s=TEXT_DEADLINE_S)
        except (errors.Invalid, errors.TooLarge) as error:
            raise type(error)(
                f"The text of thing {row['number']}: {error.detail}", at=row["number"]
            ) from error

    async def _plant_conversation(
        self, connection: Connection, package_id: UUID, number: int, seed: UUID, actor: Actor
    ) -> None:
        page = 0
        while row := await connection.fetchrow(SQL.conversation_page, package_id, number, page):
            question = PlantConversation.model_construct(
                scene_id=imported_id(seed, number), packed=row["packed"], size=row["size"]
            )
            try:
                await self._caller.ask(
                    PLANT_CONVERSATION, question, actor, deadline_s=TEXT_DEADLINE_S
                )
            except errors.Invalid as error:
                raise errors.Invalid(
                    f"The conversations of thing {number}: {error.detail}", at=number
                ) from error
            page += 1
