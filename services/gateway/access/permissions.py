"""Permissions: one matrix from action to roles, and the actions of a personal token's scopes.

`python -m services.gateway.access.permissions > docs/permissions.md` prints it.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.editors import EditorInUse
from libs.contracts.events.resources import Kind
from services.gateway.accounts.identity.model import Identity, Scope

type Action = str
"""`<thing>.<deed>`; the known ones are the keys of `MATRIX`."""

_OWNER = frozenset({Role.OWNER})
_MAINTAINER = _OWNER | {Role.MAINTAINER}
_WRITER = _MAINTAINER | {Role.WRITER}
_READER = _WRITER | {Role.READER}


def _each(
    things: Iterable[str], deeds: str, roles: frozenset[Role]
) -> dict[Action, frozenset[Role]]:
    return {f"{thing}.{deed}": roles for thing in things for deed in deeds.split()}


_THINGS: Mapping[Kind, str] = {"canon_fact": "canon"}
"""Kinds that have another name in the matrix."""
_DEEDS = ("create", "update", "delete", "restore", "reorder")
"""The action of an operation in a bundle."""

_MANUSCRIPT = ("book", "chapter", "scene")
_WORLD = ("entity", "relation", "tag", "tagging", "appearance", "task", "canon")
_CRAFT = ("style_guide", "context_rule", "persona", "prompt_preset")

MATRIX: Mapping[Action, frozenset[Role]] = {
    "project.create": _READER,  # a project that is not there yet has no roles: anybody may
    "project.read": _READER,
    "project.update": _MAINTAINER,
    "project.delete": _OWNER,
    "project.restore": _MAINTAINER,
    **_each(("project",), "archive unarchive", _MAINTAINER),
    **_each(
        ("project", *_MANUSCRIPT, "entity", "tag", "canon", *_CRAFT, "editor_definition"),
        "purge",
        _OWNER,
    ),
    "project.clone": _MAINTAINER,
    "project.export": _READER,
    "member.read": _READER,
    "member.put": _MAINTAINER,
    "member.remove": _MAINTAINER,
    "member.leave": _READER,
    "team_grant.read": _READER,
    "team_grant.put": _MAINTAINER,
    "team_grant.remove": _MAINTAINER,
    **_each(_MANUSCRIPT, "read", _READER),
    **_each(_MANUSCRIPT, "create update delete reorder", _WRITER),
    **_each(_MANUSCRIPT, "restore", _MAINTAINER),
    **_each(("scene",), "edit suggest decide snapshot", _WRITER),
    # A thread is beside the text and changes nothing of it.
    "scene.comment": _READER,
    # People may delete threads and comments of their own.
    "scene.delete_any_comment": _MAINTAINER,
    "scene.restore_patch": _MAINTAINER,
    **_each(("scene",), "restore_version branch merge", _WRITER),
    # Named snapshots: who made one may delete it, too.
    "scene.delete_any_snapshot": _MAINTAINER,
    **_each(_WORLD + _CRAFT, "read", _READER),
    **_each(_WORLD + _CRAFT, "create update delete", _WRITER),
    **_each(_WORLD + _CRAFT, "restore", _MAINTAINER),
    # It decides for a whole project what a text may hold and whose editor may write it.
    "editor_definition.read": _READER,
    **_each(("editor_definition",), "create update delete restore", _MAINTAINER),
    **_each(("blob",), "read", _READER),
    **_each(("blob",), "upload", _WRITER),
    **_each(("blob",), "delete", _MAINTAINER),
    **_each(("bundle",), "read", _READER),
    **_each(("bundle",), "create undo", _WRITER),  # and each operation by what it does
    "sync.pull": _READER,
    "sync.push": _WRITER,
    "search.query": _READER,
    "search.rebuild": _MAINTAINER,
    **_each(("ai",), "read", _READER),
    **_each(("ai",), "generate cancel", _WRITER),
    **_each(("ai.provider",), "add.user use.user remove.user", _WRITER),
    **_each(("ai.provider",), "use.team use.project", _WRITER),
    **_each(("ai.provider",), "add.team remove.team add.project remove.project", _MAINTAINER),
    **_each(("ai.agent",), "read", _READER),
    **_each(("ai.agent",), "run", _WRITER),
    **_each(("ai.agent",), "import export update delete", _MAINTAINER),
    **_each(("budget",), "read", _WRITER),
    **_each(("budget",), "update", _OWNER),
    "audit.read": _MAINTAINER,
    "activity.read": _READER,
    **_each(("ops",), "read run", _OWNER),
}
"""The roles that may do each action inside a project. Anybody may create a project."""

_READ_DEEDS = frozenset({"read", "query", "export", "list", "pull"})
_ADMIN_ACTIONS = frozenset(
    {
        *_each(("project",), "delete restore archive unarchive", _OWNER),
        *(action for action in MATRIX if action.endswith(".purge")),
        *_each(("member",), "put remove leave", _OWNER),
        *_each(("team_grant",), "put remove", _OWNER),
        *_each(("team",), "delete put_member remove_member", _OWNER),
        *_each(("ai.provider.add", "ai.provider.remove"), "user team project", _OWNER),
        *_each(("token",), "list read create delete", _OWNER),
        *_each(("ops",), "read run", _OWNER),
        "budget.update",
        "audit.read",
    }
)

_OPEN_IN_ARCHIVE = frozenset(
    {
        *_each(("project",), "delete restore unarchive archive purge clone", _OWNER),
        *_each(("member",), "put remove leave", _OWNER),
        *_each(("team_grant",), "put remove", _OWNER),
    }
)
"""Actions besides reading in an archived project: on the project itself, and on its members."""


@dataclass(frozen=True, slots=True)
class Access:
    """The standing of a caller towards a thing: project, role, and the scopes of the token.

    `deleted` says that the thing, or something above it, is deleted, `archived` that its project
    can only be read; `schema_version` is the editor schema that a scene needs, None for none, and
    `editor` is what the scene is written with, None when nobody named that.
    """

    project_id: UUID
    role: Role
    deleted: bool = False
    scopes: frozenset[str] | None = None
    schema_version: int | None = None
    archived: bool = False
    editor: EditorInUse | None = None


def scope_of(action: Action) -> Scope:
    """Return the scope that a personal access token needs for *action*."""
    if action in _ADMIN_ACTIONS:
        return Scope.ADMIN
    return Scope.READ if action.rpartition(".")[2] in _READ_DEEDS else Scope.WRITE


def require(access: Access, action: Action) -> None:
    """Return when *access* includes *action*.

    Raises:
        Forbidden: The role or the token's scope does not.
    """
    if access.role not in MATRIX[action]:
        raise errors.Forbidden(f"Your role {access.role} does not allow {action}.", action=action)
    _require_scope(access.scopes, action)


def require_open(access: Access, action: Action) -> None:
    """Return when *action*, which changes something, may be done in the project as it is.

    What is not known to be harmless is refused, so that nobody forgets a new action here.

    Raises:
        ProjectArchived: The project can only be read.
    """
    reads = action.rpartition(".")[2] in _READ_DEEDS
    if access.archived and not reads and action not in _OPEN_IN_ARCHIVE:
        raise errors.ProjectArchived(action=action)


def may(access: Access, action: Action) -> bool:
    """Return whether *access* includes *action*."""
    try:
        require(access, action)
    except errors.Forbidden:
        return False
    return True


def require_scope(identity: Identity, action: Action) -> None:
    """Return when the token of *identity* is good for an action outside any project.

    Raises:
        Forbidden: Its scopes do not include it.
    """
    _require_scope(identity.scopes, action)


def _require_scope(scopes: frozenset[str] | None, action: Action) -> None:
    needed = scope_of(action)
    if scopes is None or any(needed in Scope(each).included for each in scopes):
        return
    raise errors.Forbidden(
        f"This token needs the scope {needed} for {action}.", action=action, scope=needed
    )


def action_of(kind: Kind, deed: str) -> Action:
    """Return the action of doing *deed* to a thing of *kind*."""
    return f"{_THINGS.get(kind, kind)}.{deed}"


def operations_of(access: Access) -> frozenset[str]:
    """Return the operations of bundles that the caller may do, as `<kind>.<deed>`."""
    return frozenset(
        f"{kind}.{deed}"
        for kind in get_args(Kind.__value__)
        for deed in _DEEDS
        if (action := action_of(kind, deed)) in MATRIX and may(access, action)
    )


def may_assign(asker: Role, old: Role | None, new: Role | None) -> bool:
    """Return whether *asker* may turn the member's role *old* into *new* (None: no member).

    An OWNER may do everything; a MAINTAINER manages the roles below; nobody may grant a role
    above their own.
    """
    below = {None, Role.WRITER, Role.READER}
    return asker is Role.OWNER or (asker is Role.MAINTAINER and old in below and new in below)


def document() -> str:
    """Return the matrix as Markdown."""
    roles = tuple(Role)
    lines = [
        "# Permissions",
        "",
        "Generated from `services/gateway/access/permissions.py`; change it there.",
        "",
        "A stranger to a project sees 404 everywhere in it. Anybody may create a project and is",
        "its OWNER. An OWNER may give any role; a MAINTAINER may make, change and remove WRITERs",
        "and READERs. The same holds for roles of teams ([teams](teams.md)), none of which is",
        "OWNER; the strongest of a person's roles counts. Personal access tokens are narrowed",
        "further by their scopes: `write` includes `read`, `admin` includes both.",
        "",
        "What is copied from one project to another is allowed in both, at that moment: by the",
        "role that the person has in each, and by the scope of the token.",
        "",
        "## Tokens and sessions",
        "",
        "A login opens a session. Its access tokens are good for 15 minutes, its refresh token",
        "for the next pair. A refresh token that was just spent may come again for ten seconds,",
        "while its successor was not used: two windows refresh at once, or an answer was lost.",
        "Later, or once a successor was used, it is taken for stolen: 401 `REFRESH_TOKEN_REUSED`,",
        "and the session is closed.",
        "",
        "A session ends with its logout, that of all sessions (`everywhere`), a stolen refresh",
        "token, or after 90 days; a personal token when it is deleted or expires. From then on",
        "requests are refused, and within seconds, at every gateway, the sockets are closed",
        "(4401) and the event streams ended that were opened with it; uploads and downloads under",
        "way end, too, and what had arrived of a tus upload stays. A socket does not end with",
        "its access token: it lives as long as the session. Of a token of an external issuer no",
        "session is known, so what it opened ends when it expires.",
        "",
        "A personal token that is made with another one has no more scopes than that, ends no",
        "later, and is deleted with it. Addresses are compared in lower case, passwords as they",
        "are, both in the normal form of RFC 8265, however a keyboard writes an accent; domains as",
        "DNS has them (`xn--...`). An address with characters that RFC 8265 or IDNA do not allow,",
        "as invisible ones, or with Latin, Greek or Cyrillic letters mixed in one word, makes no",
        "account and no operator. Two addresses that look alike within one script remain two",
        "accounts: refusing them would shut out whole languages.",
        "",
        "Logins are limited by network address, and failed ones by account as well; a network",
        "that the person logged in from before has an allowance of its own there, so that nobody",
        "is kept out by those who guess at their password.",
        "",
        "## The matrix",
        "",
        f"| action | {' | '.join(roles)} | scope |",
        f"|---|{'|'.join(':-:' for _ in roles)}|---|",
    ]
    for action, allowed in MATRIX.items():
        marks = " | ".join("yes" if role in allowed else "" for role in roles)
        lines.append(f"| `{action}` | {marks} | {scope_of(action)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
