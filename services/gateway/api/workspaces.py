"""Projects as a whole: clone and templates, and the jobs that make them."""

from functools import partial

from libs.contracts.events.workspaces import (
    DELETE_TEMPLATE,
    LIST_TEMPLATES,
    READ_JOB,
    READ_TEMPLATE,
    START_CLONE,
    START_INSTANCE,
    START_TEMPLATE,
    CloneCreate,
    ProjectCopy,
    TemplateCreate,
)
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Endpoint

TAG = "Workspaces"
_TEMPLATE = "/api/templates/{id=template_id}"
_row = partial(Endpoint, tag=TAG)
_start = partial(
    _row,
    cost=LimitClass.CONTENT,
    new_id="job_id",
    status=202,
    location="/api/jobs/{id}",
    problems=("LIMIT_REACHED",),
)

ENDPOINTS = (
    _start(
        "POST",
        "/api/projects/{id}/clone",
        START_CLONE,
        summary="Clone a project",
        description=(
            "A job makes a new project of the state of this moment, with fresh ids, the"
            " texts of its scenes and no history; whoever asked is its OWNER and only"
            " member. Comments and suggestions are copied unless `comments` is false."
        ),
        body=CloneCreate,
        place="project",
        action="project.clone",
    ),
    _row(
        "GET",
        "/api/jobs/{id=job_id}",
        READ_JOB,
        summary="Read how a job is going",
        description="Only who started it sees it. It is remembered for 30 days.",
        cost=LimitClass.READ,
        action="job.read",
    ),
    _start(
        "POST",
        "/api/projects/{id}/templates",
        START_TEMPLATE,
        summary="Make a template of a project",
        body=TemplateCreate,
        place="project",
        action="project.clone",
    ),
    _row(
        "GET",
        "/api/templates",
        LIST_TEMPLATES,
        summary="List templates, the newest first",
        description="One's own, and those shared with the members of one's projects.",
        cost=LimitClass.READ,
        action="template.read",
    ),
    _row(
        "GET",
        _TEMPLATE,
        READ_TEMPLATE,
        summary="Read a template",
        cost=LimitClass.READ,
        action="template.read",
    ),
    _row(
        "DELETE",
        _TEMPLATE,
        DELETE_TEMPLATE,
        summary="Delete a template",
        description="Only who made it may. Projects made of it stay.",
        cost=LimitClass.WRITE,
        action="template.delete",
        status=204,
    ),
    _start(
        "POST",
        f"{_TEMPLATE}/projects",
        START_INSTANCE,
        summary="Make a project of a template",
        body=ProjectCopy,
        action="project.create",
    ),
)
