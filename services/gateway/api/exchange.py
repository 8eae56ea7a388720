"""Projects as files: export and import."""

import asyncio
from datetime import datetime
from urllib.parse import quote

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.workspaces import Job
from libs.contracts.values import Name
from services.gateway.access.limits import LimitClass
from services.gateway.api.workspaces import TAG
from services.gateway.exchange.exporting import Exporting
from services.gateway.exchange.importing import Importing
from services.gateway.exchange.unpacking import Unpacking
from services.gateway.exchange.uploads import UPLOAD_BYTES_MAX, Uploads
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, Query, Route, Streamed

ZIP = "application/zip"
EXPORT_S_MAX = 6 * 3600.0
EXPORT_IDLE_S_MAX = 60.0
"""An export that takes longer, or whose client takes nothing for so long, is cut short."""


class ExportQuery(Query):
    """The parts of a project that an export contains."""

    history: bool = True
    """Whether the events of the project and the past of its scenes are exported, too."""

    comments: bool = True
    """Whether the comments and suggestions of its scenes are exported, too."""


class ImportQuery(Query):
    """The name of the new project; without it, the name in the package."""

    name: Name | None = None


class ExchangeRoutes:
    """Handlers about projects as files."""

    def __init__(self, caller: Caller, blobs: Blobs) -> None:
        """Ask events and collab over *caller*, and *blobs*."""
        self._caller = caller
        self._blobs = blobs
        self._uploads = Uploads()

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/projects/{id}/export",
                handler=self.export,
                summary="Export a project",
                description=(
                    "A zip file: `state.ndjson`, the text of each scene as one Yjs update and as"
                    " Markdown, comments and suggestions unless `comments=false`, the files of"
                    " entities, the history unless `history=false`, and"
                    " `manifest.json`, which has the SHA-256 of each and says which files are"
                    " missing and why. It can be imported again, anywhere."
                ),
                tag=TAG,
                body=NoBody,
                query=ExportQuery,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                answers_deleted=True,
                action="project.export",
                problems=("LIMIT_REACHED", "TOO_LARGE"),
                answer_media_types=(ZIP,),
            ),
            Route(
                method="POST",
                path="/api/projects/import",
                handler=self.import_,
                summary="Import a project",
                description=(
                    "Send the file that an export gave. All of it is looked at before a job makes"
                    " a new project of it; `at` says what is wrong where."
                    f" At most {UPLOAD_BYTES_MAX >> 20} MiB."
                ),
                tag=TAG,
                body=Incoming,
                query=ImportQuery,
                cost=LimitClass.CONTENT,
                action="project.create",
                answer=Job,
                status=202,
                problems=("LIMIT_REACHED", "PACKAGE_DAMAGED", "QUOTA_EXCEEDED", "STORAGE_FULL"),
                media_types=(ZIP,),
                body_bytes_max=UPLOAD_BYTES_MAX,
            ),
        ]

    async def export(self, call: Call[NoBody, ExportQuery]) -> Answer:
        """Stream an export."""
        history = call.query.history
        exporting = Exporting(
            self._caller,
            self._blobs,
            call.actor,
            history=history,
            conversations=call.query.comments,
        )
        package, parts = await exporting.begin()
        stamp = datetime.now().astimezone().date().isoformat()
        name = quote(f"{package.head.name} {stamp}.scriptorium.zip", safe="")
        headers = {
            "Content-Disposition": (
                f"attachment; filename=\"project.scriptorium.zip\"; filename*=UTF-8''{name}"
            )
        }
        stream = Streamed(parts, EXPORT_S_MAX, EXPORT_IDLE_S_MAX)
        return Answer(200, media_type=ZIP, headers=headers, stream=stream)

    async def import_(self, call: Call[Incoming, ImportQuery]) -> Answer:
        """Take a file in, look at it, and begin to make a project of it."""
        importing = Importing(
            self._caller, self._blobs, Actor(user_id=call.identity.user_id), call.command_id
        )
        async with self._uploads.receive(call.body, call.identity.user_id) as file:
            unpacking = await asyncio.to_thread(Unpacking, file)
            job = await importing.begin(unpacking, call.new_id, call.query.name)
            return Answer.json(job, 202, {"Location": f"/api/jobs/{job.id}"})
