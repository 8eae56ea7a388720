"""The rights of a follower, checked again whenever they may have changed."""

from uuid import UUID

from libs import errors
from libs.contracts.collab.facts import FACTS
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.streams.tail import Item

# An aggregate's name in the permission matrix, where it has another one there. All that happens in
# the review belongs to a scene.
_REVIEWED = {name.partition(".")[0] for name in FACTS}
_IN_MATRIX = {"canon_fact": "canon", **dict.fromkeys(_REVIEWED, "scene")}


def action_of(kind: str) -> permissions.Action:
    """Return the action that somebody needs who is shown events of a kind."""
    return f"{_IN_MATRIX.get(kind, kind)}.read"


class Rights:
    """One person's rights in one project."""

    def __init__(self, identity: Identity, access: Access, authority: Authority) -> None:
        """Begin with *access*, which was just looked at."""
        self.identity = identity
        self.doubtful = False
        """Whether nothing may be shown before `look`."""
        self._access = access
        self._authority = authority
        self._own_event = 0
        self._vouched = 0
        """They were looked at knowing the events up to here about one's own membership."""
        self._known: dict[str, bool] = {}

    @property
    def project_id(self) -> UUID:
        """The project they are in."""
        return self._access.project_id

    def doubt_because_of(self, item: Item) -> bool:
        """Begin to doubt if *item* changes them, and that is news; returns whether."""
        if item.person != self.identity.user_id or item.position <= self._vouched:
            return False
        self._own_event = item.position
        self.doubtful = True
        return True

    async def look(self) -> bool:
        """Ask again; returns False when the project is deleted.

        Raises:
            Forbidden: They may follow no more.
            AppError, nats.errors.Error, nats.js.errors.Error, TimeoutError: That is not known; the
                doubt stays.
        """
        own_event = self._own_event
        # A doubt that comes while this is asked stands.
        self.doubtful = False
        try:
            if own_event > self._vouched:
                # The event may have come here before it came to whoever drops what is cached.
                await self._authority.forget_role(self.project_id, self.identity.user_id)
            access = await self._authority.access(self.identity, "project", self.project_id)
            permissions.require(access, "project.read")
        except errors.NotFound as error:
            raise errors.Forbidden from error
        except BaseException:
            self.doubtful = True
            raise
        self._access = access
        self._known.clear()
        self._vouched = max(self._vouched, own_event)
        return not access.deleted

    def include(self, kind: str) -> bool:
        """Return whether events of a kind may be shown; what the matrix does not know may not."""
        if kind not in self._known:
            action = action_of(kind)
            known = action in permissions.MATRIX
            self._known[kind] = known and permissions.may(self._access, action)
        return self._known[kind]
