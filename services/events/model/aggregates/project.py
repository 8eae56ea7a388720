"""A project: an isolated workspace, and how its slug is made from its name."""

import re
import unicodedata
from collections.abc import Iterator
from uuid import UUID

from libs.contracts.events.resources import Project, ProjectCreate, ProjectPatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates.editor_definition import EDITOR_NAMED

SLUG_CHARS_MAX = 64
SLUG_NUMBER_MAX = 9

PROJECT = AggregateSpec(
    kind="project",
    table="projects",
    resource=Project,
    create=ProjectCreate,
    patch=ProjectPatch,
    named={"editor": EDITOR_NAMED},
    archivable=True,
    later={"editor": None},
)


def slugs(name: str, project_id: UUID) -> Iterator[str]:
    """Yield slugs for *name*, the plainest first; the last ones are unique to the project."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "project"
    endings = (*map(str, range(2, SLUG_NUMBER_MAX + 1)), project_id.hex[-6:], project_id.hex)
    yield stem[:SLUG_CHARS_MAX].strip("-")
    for ending in endings:
        yield f"{stem[: SLUG_CHARS_MAX - len(ending) - 1].strip('-')}-{ending}"
