"""Projects as a whole: clone and templates, and the jobs that make them."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import workspaces
from libs.contracts.events.manuscript import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from libs.contracts.events.workspaces import Job, Template, Templates
from libs.contracts.values import Name, Note
from libs.contracts.wire import Wire
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.api.shapes import CURSOR_CHARS_MAX
from services.gateway.http.route import (
    Answer,
    AnyRoute,
    Call,
    NoBody,
    NoQuery,
    Query,
    Route,
)

TAG = "Workspaces"


class ProjectCopy(Wire):
    """What to call the new project; as the old one when nothing is said."""

    name: Name | None = None


class TemplateCreate(Wire):
    """A template of a project as it is now; the members of the project may use a shared one."""

    name: Name
    description: Note | None = None
    shared: bool = False


class Paged(Query):
    """Which part of a list."""

    cursor: Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_DEFAULT


class WorkspaceRoutes:
    """Handlers about projects as a whole."""

    def __init__(self, caller: Caller, authority: Authority) -> None:
        """Ask events over *caller*; *authority* knows who is in which team."""
        self._caller = caller
        self._authority = authority

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._copies(), *self._of_templates()]

    def _copies(self) -> list[AnyRoute]:
        return [
            Route(
                method="POST",
                path="/api/projects/{id}/clone",
                handler=self.clone,
                summary="Clone a project",
                description=(
                    "A job makes a new project of the state of this moment, with fresh ids, the"
                    " texts of its scenes and no history; whoever asked is its OWNER and only"
                    " member."
                ),
                tag=TAG,
                body=ProjectCopy,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="project.clone",
                answer=Job,
                status=202,
                problems=("LIMIT_REACHED",),
            ),
            Route(
                method="GET",
                path="/api/jobs/{id}",
                handler=self.job,
                summary="Read how a job is going",
                description="Only who started it sees it. It is remembered for 30 days.",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                action="job.read",
                answer=Job,
            ),
        ]

    def _of_templates(self) -> list[AnyRoute]:
        path = "/api/templates"
        of_one: dict[str, Any] = {"tag": TAG, "query": NoQuery, "path": f"{path}/{{id}}"}
        return [
            Route(
                method="POST",
                path="/api/projects/{id}/templates",
                handler=self.template,
                summary="Make a template of a project",
                tag=TAG,
                body=TemplateCreate,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="project.clone",
                answer=Job,
                status=202,
                problems=("LIMIT_REACHED",),
            ),
            Route(
                method="GET",
                path=path,
                handler=self.list,
                summary="List templates, the newest first",
                description="One's own, and those shared with the members of one's projects.",
                tag=TAG,
                body=NoBody,
                query=Paged,
                cost=LimitClass.READ,
                action="template.read",
                answer=Templates,
            ),
            Route(
                method="GET",
                handler=self.read,
                summary="Read a template",
                body=NoBody,
                cost=LimitClass.READ,
                action="template.read",
                answer=Template,
                **of_one,
            ),
            Route(
                method="DELETE",
                handler=self.delete,
                summary="Delete a template",
                description="Only who made it may. Projects made of it stay.",
                body=NoBody,
                cost=LimitClass.WRITE,
                action="template.delete",
                status=204,
                **of_one,
            ),
            Route(
                method="POST",
                path=f"{path}/{{id}}/projects",
                handler=self.instance,
                summary="Make a project of a template",
                tag=TAG,
                body=ProjectCopy,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                action="project.create",
                answer=Job,
                status=202,
                problems=("LIMIT_REACHED",),
            ),
        ]

    async def clone(self, call: Call[ProjectCopy]) -> Answer:
        """Begin to clone."""
        question = workspaces.StartClone(job_id=call.new_id, name=call.body.name)
        return begun(await self._caller.ask(workspaces.START_CLONE, question, call.actor))

    async def job(self, call: Call[NoBody]) -> Answer:
        """Read a job."""
        question = workspaces.ReadJob(job_id=call.path["id"])
        return Answer.json(await self._caller.ask(workspaces.READ_JOB, question, _person(call)))

    async def template(self, call: Call[TemplateCreate]) -> Answer:
        """Begin to make a template."""
        question = workspaces.StartTemplate(job_id=call.new_id, **dict(call.body))
        return begun(await self._caller.ask(workspaces.START_TEMPLATE, question, call.actor))

    async def list(self, call: Call[NoBody, Paged]) -> Answer:
        """List templates."""
        question = workspaces.ListTemplates(
            team_ids=await self._teams(call), cursor=call.query.cursor, limit=call.query.limit
        )
        answer = await self._caller.ask(workspaces.LIST_TEMPLATES, question, _person(call))
        return Answer.json(answer)

    async def read(self, call: Call[NoBody]) -> Answer:
        """Read a template."""
        answer = await self._caller.ask(
            workspaces.READ_TEMPLATE, await self._one(call), _person(call)
        )
        return Answer.json(answer)

    async def delete(self, call: Call[NoBody]) -> Answer:
        """Delete a template."""
        await self._caller.ask(workspaces.DELETE_TEMPLATE, await self._one(call), _person(call))
        return Answer(204)

    async def instance(self, call: Call[ProjectCopy]) -> Answer:
        """Begin to make a project of a template."""
        question = workspaces.StartInstance(
            job_id=call.new_id,
            template_id=call.path["id"],
            team_ids=await self._teams(call),
            name=call.body.name,
        )
        return begun(await self._caller.ask(workspaces.START_INSTANCE, question, _person(call)))

    async def _one(self, call: Call[Any]) -> workspaces.OneTemplate:
        return workspaces.OneTemplate(template_id=call.path["id"], team_ids=await self._teams(call))

    async def _teams(self, call: Call[Any, Any]) -> tuple[UUID, ...]:
        return tuple((await self._authority.teams_of(call.identity.user_id)).ids)


def _person(call: Call[Any, Any]) -> Actor:
    return Actor(user_id=call.identity.user_id)


def begun(job: Job) -> Answer:
    """Answer that a job was begun, and where to look after it."""
    return Answer.json(job, 202, {"Location": f"/api/jobs/{job.id}"})
