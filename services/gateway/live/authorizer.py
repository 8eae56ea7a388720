"""Who may come into a scene, who may write there, and who has to go."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.branches import READ_BRANCH, BranchState
from libs.contracts.collab.history import OneOfScene
from services.gateway.access.authority import Authority
from services.gateway.access.permissions import Access, Action, require, require_open
from services.gateway.access.schema_gate import require_schema
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.room import Room
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import DENIED, NO_SUCH_SCENE

log = structlog.get_logger(__name__)

ADMISSIONS_AT_ONCE = 16
"""Newcomers being authorised at the same time; the others wait in line."""


class Authorizer:
    """Ask the authority about members, at their coming and again when something changed."""

    def __init__(
        self, authority: Authority, caller: Caller, room_of: Callable[[bytes], Room]
    ) -> None:
        """Ask *authority*, and collab over *caller*; *room_of* hosts a scene or a branch."""
        self._authority = authority
        self._caller = caller
        self._room_of = room_of
        self._line = asyncio.Semaphore(ADMISSIONS_AT_ONCE)
        self._questions = 0
        self.members: dict[int, SceneSession] = {}
        """Everybody who is in a scene or being let in, by tag."""

    async def identify(self, token: str) -> Identity:
        """Return whom *token* stands for.

        Raises:
            Unauthenticated: It is not valid.
            Unavailable: That cannot be told now.
        """
        async with self._line:
            return await self._authority.identify(token)

    async def require_place(
        self, identity: Identity, project_id: UUID | None, scene_id: UUID | None
    ) -> None:
        """Return when these are there for *identity* and belong together.

        Raises:
            NotFound: They are not.
            Unavailable: That cannot be told now.
        """
        if scene_id is not None:
            access = await self._authority.access(identity, "scene", scene_id)
            if access.deleted or project_id not in (None, access.project_id):
                raise errors.NotFound
        elif project_id is not None:
            await self._authority.access(identity, "project", project_id)

    async def enter(self, member: SceneSession, identity: Identity) -> None:
        """Let *member* into their scene.

        Raises:
            NotFound: There is no such scene, or not for them.
            Forbidden: They may not read it.
            Unavailable: That cannot be told now, or the bus is away.
        """
        # Known before the question, so that what changes while it is asked is asked again.
        member.identity = identity
        self.members[member.tag] = member
        try:
            async with self._line:
                access = await self._ask(member, identity)
                await self._let_in(member, identity, access.project_id)
        except errors.AppError as error:
            self.leave(member)
            if isinstance(error, errors.Gone):
                raise errors.NotFound from error
            raise

    async def _let_in(self, member: SceneSession, identity: Identity, project_id: UUID) -> None:
        room = self._room_of((member.branch_id or member.scene_id).bytes)
        room.joining += 1
        try:
            await room.open()
            if not member.gone:
                member.admit(room, identity, project_id)
        finally:
            room.joining -= 1

    def doubt(self) -> None:
        """Events may have been missed: believe nothing that was seen so far."""
        self._authority.doubt()

    def leave(self, member: SceneSession) -> None:
        """They are gone."""
        self.members.pop(member.tag, None)
        if not member.gone:
            member.leave()

    async def look_again(self, member: SceneSession) -> None:
        """Authorise somebody again; they follow or have to go."""
        identity = member.identity
        if member.gone or identity is None:
            return
        before = member.refusal
        try:
            await self._ask(member, identity)
        except errors.Gone:
            member.put_out(NO_SUCH_SCENE, "no such scene")
        except (errors.NotFound, errors.Forbidden):
            member.put_out(DENIED, "Access denied")
        except errors.Unavailable:
            # Not knowing is not a "no": the next recheck asks again.
            log.warning("authority away, socket keeps its rights for now")
        else:
            now = member.refusal
            if member.room and now and (before is None or before.code != now.code):
                member.deny(now)

    async def _ask(self, member: SceneSession, identity: Identity) -> Access:
        """Find out what *member* may do; the newest question counts, whenever it is answered.

        Raises:
            Gone: The scene was deleted.
            NotFound, Forbidden, Unavailable: As for `enter`.
        """
        self._questions += 1
        number = self._questions
        access = await self._authority.access(identity, "scene", member.scene_id)
        if access.deleted:
            raise errors.Gone
        require(access, "scene.read")
        closed = await self._is_closed(member, identity, access)
        if number > member.judged:
            member.judged = number
            member.refusal = _refusal(access, member.schema_version) or closed
        return access

    async def _is_closed(
        self, member: SceneSession, identity: Identity, access: Access
    ) -> errors.BranchClosed | None:
        """Make sure that a branch is one of its scene; returns why nobody may write there."""
        if member.branch_id is None:
            return None
        branch = await self._caller.ask(
            READ_BRANCH,
            OneOfScene(scene_id=member.scene_id, id=member.branch_id),
            Actor(user_id=identity.user_id, project_id=access.project_id, role=access.role),
        )
        return errors.BranchClosed() if branch.state is BranchState.CLOSED else None


def _refusal(access: Access, declared: int | None) -> errors.AppError | None:
    """Return why somebody may not write; None when they may."""
    if not _allows(access, "scene.edit"):
        return errors.Forbidden("read-only: your role does not allow writing here")
    try:
        require_open(access, "scene.edit")
        require_schema(access.schema_version, declared)
    except errors.ProjectArchived:
        return errors.ProjectArchived("read-only: this project is archived")
    except errors.SchemaOutdated as outdated:
        return outdated.with_traceback(None)
    return None


def _allows(access: Access, action: Action) -> bool:
    try:
        require(access, action)
    except errors.Forbidden:
        return False
    return True
