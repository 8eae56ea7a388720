"""Whether a session may read its scene and write to it: at its admission, and again on changes."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.branches import READ_BRANCH, Branch, BranchKind
from libs.contracts.collab.history import OneOfScene
from services.gateway.access.authority import Authority
from services.gateway.access.branches import branch_refusal
from services.gateway.access.permissions import Access, Action, require, require_open
from services.gateway.access.schema_gate import require_schema
from services.gateway.accounts.identity.model import Identity
from services.gateway.live.room import Room
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import DENIED, NO_SUCH_SCENE

log = structlog.get_logger(__name__)

ADMISSIONS_AT_ONCE = 16
"""Sessions that are authorized for their admission at the same time; the others wait."""


class Authorizer:
    """Admits sessions, and authorizes them again when the rights of their user may have changed."""

    def __init__(
        self, authority: Authority, caller: Caller, room_of: Callable[[bytes], Room]
    ) -> None:
        """Ask *authority*, and collab over *caller*; *room_of* returns the room of a scene."""
        self._authority = authority
        self._caller = caller
        self._room_of = room_of
        self._admissions = asyncio.Semaphore(ADMISSIONS_AT_ONCE)
        self._authorizations = 0
        self.sessions: dict[int, SceneSession] = {}
        """The sessions that are admitted or being admitted, by tag."""

    async def identify_token(self, token: str) -> Identity:
        """Return the identity that *token* stands for.

        Raises:
            Unauthenticated: The token is not valid.
            Unavailable: The authority cannot be reached.
        """
        async with self._admissions:
            return await self._authority.identify(token)

    async def require_readable(
        self, identity: Identity, project_id: UUID | None, scene_id: UUID | None
    ) -> None:
        """Return when *identity* may read the project and the scene, and they belong together.

        Raises:
            NotFound: There is no such scene or project for this user.
            Unavailable: The authority cannot be reached.
        """
        if scene_id is not None:
            access = await self._authority.access(identity, "scene", scene_id)
            if access.deleted or project_id not in (None, access.project_id):
                raise errors.NotFound
        elif project_id is not None:
            await self._authority.access(identity, "project", project_id)

    async def admit_session(self, session: SceneSession, identity: Identity) -> None:
        """Let *session* enter the room of its scene.

        Raises:
            NotFound: There is no such scene for this user.
            Forbidden: The user may not read the scene.
            Unavailable: The authority or the bus cannot be reached.
        """
        # Registered before the authorization, so that a change during it is followed by another.
        session.identity = identity
        self.sessions[session.tag] = session
        try:
            async with self._admissions:
                access = await self._authorize(session, identity)
                await self._enter_room(session, identity, access.project_id)
        except errors.AppError as error:
            self.remove_session(session)
            if isinstance(error, errors.Gone):
                raise errors.NotFound from error
            raise

    async def _enter_room(
        self, session: SceneSession, identity: Identity, project_id: UUID
    ) -> None:
        room = self._room_of((session.branch_id or session.scene_id).bytes)
        room.pending_joins += 1
        try:
            await room.open()
            if not session.ended:
                session.enter_room(room, identity, project_id)
        finally:
            room.pending_joins -= 1

    def remove_session(self, session: SceneSession) -> None:
        """Forget *session*, and end its part in the room."""
        self.sessions.pop(session.tag, None)
        if not session.ended:
            session.leave_room()

    async def reauthorize(self, session: SceneSession) -> None:
        """Authorize *session* again; it is ended if its user may no longer read the scene."""
        identity = session.identity
        if session.ended or identity is None:
            return
        before = session.write_refusal
        try:
            await self._authorize(session, identity)
        except errors.Gone:
            session.end_session(NO_SUCH_SCENE, "no such scene")
        except (errors.NotFound, errors.Forbidden):
            session.end_session(DENIED, "Access denied")
        except errors.Unavailable:
            # An unknown answer is not a "no": the next recheck asks again.
            log.warning("authority away, socket keeps its rights for now")
        else:
            after = session.write_refusal
            if session.room and after and (before is None or before.code != after.code):
                session.send_refusal(after)

    async def _authorize(self, session: SceneSession, identity: Identity) -> Access:
        """Ask what *session* may do; the newest question counts, in whatever order answers come.

        Raises:
            Gone: The scene was deleted.
            NotFound, Forbidden, Unavailable: As for `admit_session`.
        """
        self._authorizations += 1
        number = self._authorizations
        access = await self._authority.access(identity, "scene", session.scene_id)
        if access.deleted:
            raise errors.Gone
        require(access, "scene.read")
        branch = await self._branch(session, identity, access)
        if number > session.rights_version:
            session.rights_version = number
            session.write_refusal = _write_refusal(access, session.schema_version, branch)
            if branch and session.write_refusal is None:
                session.write_refusal = branch_refusal(branch, identity.user_id)
        return access

    async def _branch(
        self, session: SceneSession, identity: Identity, access: Access
    ) -> Branch | None:
        """Return the branch that the session is about; raises if the scene has no such branch."""
        if session.branch_id is None:
            return None
        return await self._caller.ask(
            READ_BRANCH,
            OneOfScene(scene_id=session.scene_id, id=session.branch_id),
            Actor(user_id=identity.user_id, project_id=access.project_id, role=access.role),
        )


def _write_refusal(
    access: Access, declared_schema: int | None, branch: Branch | None
) -> errors.AppError | None:
    """Return the reason for which a user may not write to a scene; None when they may."""
    suggests = branch is not None and branch.kind is BranchKind.SUGGESTION
    action = "scene.suggest" if suggests else "scene.edit"
    if not _is_allowed(access, action):
        return errors.Forbidden("read-only: your role does not allow writing here")
    try:
        require_open(access, action)
        require_schema(access.schema_version, declared_schema)
    except errors.ProjectArchived:
        return errors.ProjectArchived("read-only: this project is archived")
    except errors.SchemaOutdated as outdated:
        return outdated.with_traceback(None)
    return None


def _is_allowed(access: Access, action: Action) -> bool:
    try:
        require(access, action)
    except errors.Forbidden:
        return False
    return True
