"""A scene of which people talk, by requests as the gateway sends them."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from pycrdt import Doc, Text

from libs.contracts.actor import Actor
from libs.contracts.collab import threads
from libs.contracts.collab.anchors import AnchorTarget
from libs.contracts.ids import new_id
from tests.collab.upkeep.support import Desk

WORDS = "You will rejoice to hear that no disaster has accompanied the commencement."


@dataclass
class Table:
    """The scene, its project, and two people there."""

    desk: Desk
    scene: UUID
    ada: Actor
    ben: Actor
    project: UUID = field(default_factory=new_id)

    @classmethod
    async def laid(cls, desk: Desk) -> "Table":
        doc: Doc[Text] = Doc(client_id=7)
        doc.get("content", type=Text).insert(0, WORDS)
        scene = await desk.log([doc.get_update()], timedelta(minutes=1))
        project = new_id()
        ada, ben = (Actor(user_id=uuid4(), project_id=project) for _ in range(2))
        return cls(desk, scene, ada, ben, project)

    def thread(self, quote: str = "no disaster", body: str = "Why?") -> threads.CreateThread:
        """A request that begins a thread; the same one again is a retry."""
        return threads.CreateThread(
            id=new_id(),
            scene_id=self.scene,
            command_id=new_id(),
            anchor=AnchorTarget(quote=quote),
            body=body,
        )

    async def begin(self, by: Actor | None = None) -> threads.Thread:
        return await self.desk.caller.ask(
            threads.CREATE_THREAD, self.thread(), by or self.ada, deadline_s=20
        )

    def comment(self, thread: UUID, body: str = "So.") -> threads.AddComment:
        return threads.AddComment(id=new_id(), thread_id=thread, body=body)

    async def facts(self) -> list[str]:
        """What collab announced of the project, or will, in order."""
        rows = await self.desk.owner.fetch(
            "SELECT payload ->> 'eventType' AS type FROM outbox"
            " WHERE payload ->> 'projectId' = $1::text ORDER BY seq",
            str(self.project),
        )
        return [row["type"] for row in rows]
