"""An entity: a node of the knowledge graph, with the components that its type brings."""

from collections.abc import Mapping
from typing import Any

from libs.contracts.events.files import FileDeleted, FileUploaded
from libs.contracts.events.world import (
    STORY_TYPES,
    Entity,
    EntityCreate,
    EntityFilter,
    EntityPatch,
    EntityType,
    StoryFields,
    TaskFields,
    TaskStatus,
)
from services.events.model.aggregate import AggregateSpec
from services.events.model.custom_event import CustomEvent
from services.events.model.listing import BY_NAME, NAMED, ListFilter, Listing, SortKey
from services.events.model.part import Part

FILE_FIELDS = ("path", "url", "size", "type", "checksum")


def _completed(row: Mapping[str, Any], wanted: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Set the time of completion when a task becomes done, and clear it when it is reopened."""
    status = wanted.get("task_status", row.get("task_status"))
    if status == row.get("task_status"):
        return dict(wanted)
    return {**wanted, "task_completed_at": at if status == TaskStatus.DONE else None}


_OF_FILE = {"preview": "preview", **{name: f"file_{name}" for name in FILE_FIELDS}}
"""The fields of an entity that describe its file, by their names in the events of files."""


ENTITY = AggregateSpec(
    kind="entity",
    table="entities",
    resource=Entity,
    create=EntityCreate,
    patch=EntityPatch,
    parent="project",
    ordered=False,
    derived={"preview": None},
    references={"task_assignee_id": "member"},
    times=frozenset({"task_due_date", "task_completed_at"}),
    parts=(
        Part(
            name="file",
            derived=dict.fromkeys(FILE_FIELDS),
        ),
        Part(
            name="task",
            given=TaskFields,
            derived={"completed_at": None},
            table="task_details",
            of=frozenset({EntityType.TASK}),
        ),
        Part(name="story", given=StoryFields, table="story_details", of=STORY_TYPES),
    ),
    listing=Listing(
        model=EntityFilter,
        filters=BY_NAME
        | {
            "name": ListFilter("called", "name_key"),
            "type": ListFilter("is", "type"),
            "tag_id": ListFilter("tagged", "id"),
            "alias": ListFilter("holds", "aliases"),
            "slug": ListFilter("is", "slug"),
            "task_status": ListFilter("is", "task_status"),
            "assignee_id": ListFilter("is", "task_assignee_id"),
            "due_before": ListFilter("before", "task_due_date"),
            "due_after": ListFilter("from", "task_due_date"),
            "overdue": ListFilter("overdue", "task_due_date"),
        },
        keys=NAMED
        | {
            "dueDate": SortKey("task_due_date", "timestamptz"),
            "priority": SortKey("task_priority", "float8"),
        },
    ),
    custom_events={
        "file_uploaded": CustomEvent(
            description="The entity got this file, and no longer has the one it had.",
            says=FileUploaded,
            fields=_OF_FILE,
        ),
        "file_deleted": CustomEvent(
            description="The entity lost this file; its bytes stay for the time of retention.",
            says=FileDeleted,
            fields=_OF_FILE,
            ends=True,
            later=frozenset(_OF_FILE),
        ),
    },
    historic=frozenset(_OF_FILE.values()),
    follows=_completed,
)
