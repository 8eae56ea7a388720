"""Names of objects in storage: each is for one attempt, and used once."""

import re
from uuid import UUID, uuid4

KEY = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9a-f]{2}/[0-9a-f]{32}$")


def new_key(project_id: UUID) -> str:
    """Return a fresh key: `<project>/<two digits>/<32 digits>`, spread evenly over 256 folders."""
    attempt = uuid4().hex
    return f"{project_id}/{attempt[:2]}/{attempt}"


def require_key(key: str) -> tuple[str, str, str]:
    """Return the parts of *key*.

    Raises:
        ValueError: It is no key of ours.
    """
    if not KEY.match(key):
        raise ValueError("this is not a key of ours")
    project, shard, name = key.split("/")
    return project, shard, name
