"""Logical paths: names for files that can be pointed elsewhere, with their history.

The path is a query parameter, because proxies decode and tidy up what is in the address.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from libs import errors
from libs.contracts.blobs.transfers import (
    DELETE_PATH,
    LIST_PATHS,
    PATH_HISTORY,
    PUT_PATH,
    READ_PATH,
    AssetType,
    Blob,
    BlobPath,
    DeletePath,
    ListPaths,
    PathHistory,
    PutPath,
    ReadPath,
)
from libs.contracts.values import Sha256
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.api.blobs import (
    ANY,
    RANGE_NOTE,
    READ_HEADERS,
    READ_PROBLEMS,
    NameOfFile,
    require_living,
)
from services.gateway.api.shapes import Version
from services.gateway.http import etags
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs
from services.gateway.http.route import Answer, AnyCall, AnyRoute, Call, NoBody, Query, Route

TAG = "Paths"
PATH_CHARS_MAX = 1024
ITEMS_MAX = 500

PathText = Annotated[str, StringConstraints(min_length=1, max_length=PATH_CHARS_MAX)]
Limit = Annotated[int, Field(ge=1, le=ITEMS_MAX)]


class Named(Query):
    """Which path, and which of its versions; the newest without."""

    path: PathText
    version: Version | None = None


class NamedShown(Named):
    """Which path, and whether a browser may show the file instead of saving it."""

    inline: bool = False


class Forgotten(Query):
    """Which path, and why."""

    path: PathText
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class Below(Query):
    """Which paths: those that begin with `prefix`, after the path `after`."""

    prefix: Annotated[str, StringConstraints(max_length=PATH_CHARS_MAX)] = ""
    after: Annotated[str, StringConstraints(max_length=PATH_CHARS_MAX)] = ""
    limit: Limit = 100
    include_deleted: bool = False


class Since(Query):
    """Which path's versions, before which one."""

    path: PathText
    before: Version | None = None
    limit: Limit = 100


class Pointed(Wire):
    """What a path points at. `baseVersion` 0 is for a path that must not be there yet."""

    sha256: Sha256
    file_name: NameOfFile | None = None
    asset_type: AssetType = AssetType.ATTACHMENT
    base_version: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class PathPage(Wire):
    """A page of paths; `after` of the next one, null on the last."""

    items: list[BlobPath]
    next_after: str | None


class PathVersions(Wire):
    """Versions of a path, the newest first; `before` of the next page, null on the last."""

    items: list[BlobPath]
    next_before: int | None


class PathRoutes:
    """Handlers about paths."""

    def __init__(self, blobs: Blobs) -> None:
        """Ask *blobs*."""
        self._blobs = blobs

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [*self._reading(), *self._writing()]

    def _reading(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path="/api/projects/{id}/paths",
                handler=self.list,
                summary="List paths",
                tag=TAG,
                body=NoBody,
                query=Below,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.read",
                answer=PathPage,
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path="/api/projects/{id}/path",
                handler=self.read,
                summary="What a path points at",
                tag=TAG,
                body=NoBody,
                query=Named,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.read",
                answer=BlobPath,
                etag=True,
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path="/api/projects/{id}/path/content",
                handler=self.fetch,
                summary="Fetch the file that a path points at",
                description=RANGE_NOTE,
                tag=TAG,
                body=NoBody,
                query=NamedShown,
                cost=LimitClass.CONTENT,
                place=("project", "id"),
                action="blob.read",
                problems=READ_PROBLEMS,
                etag=True,
                deleted_matters=True,
                answer_media_types=(ANY,),
                answer_headers=READ_HEADERS,
                also=(206,),
                waits=Blob,
                head=True,
            ),
            Route(
                method="GET",
                path="/api/projects/{id}/path/history",
                handler=self.history,
                summary="What a path pointed at before",
                tag=TAG,
                body=NoBody,
                query=Since,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="blob.read",
                answer=PathVersions,
                deleted_matters=True,
            ),
        ]

    def _writing(self) -> list[AnyRoute]:
        return [
            Route(
                method="PUT",
                path="/api/projects/{id}/path",
                handler=self.put,
                summary="Point a path at a file",
                description=(
                    "`users/{userId}/{notes|tasks|attachments|exports}/...` or `project/...`."
                    " A person's paths are there for that person alone. If-Match or"
                    " `baseVersion` refuses when somebody pointed it elsewhere meanwhile."
                ),
                tag=TAG,
                body=Pointed,
                query=Named,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="blob.upload",
                answer=BlobPath,
                problems=("BLOB_UNAVAILABLE", "CONFLICT", "PRECONDITION_FAILED"),
                etag=True,
                deleted_matters=True,
            ),
            Route(
                method="DELETE",
                path="/api/projects/{id}/path",
                handler=self.delete,
                summary="Delete a path",
                description=(
                    "Its history stays, and the file for the time of retention. A path of the"
                    " project is deleted by roles that may delete files (`blob.delete`)."
                ),
                tag=TAG,
                body=NoBody,
                query=Forgotten,
                cost=LimitClass.WRITE,
                place=("project", "id"),
                action="blob.upload",
                status=204,
                problems=("CONFLICT", "PRECONDITION_FAILED"),
                deleted_matters=True,
            ),
        ]

    async def list(self, call: Call[NoBody, Below]) -> Answer:
        """List paths."""
        require_living(call)
        query = call.query
        question = ListPaths(
            prefix=query.prefix,
            after=query.after,
            limit=query.limit,
            include_deleted=query.include_deleted,
        )
        page = await self._blobs.caller.ask(LIST_PATHS, question, call.actor)
        end = page.paths[-1].path if page.more else None
        return Answer.json(PathPage(items=page.paths, next_after=end))

    async def read(self, call: Call[NoBody, Named]) -> Answer:
        """Tell what a path points at."""
        require_living(call)
        found = await self._read(call)
        tag = _tag(found)
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        return Answer.json(found, 200, {"ETag": tag})

    async def fetch(self, call: Call[NoBody, NamedShown]) -> Answer:
        """Fetch the file."""
        require_living(call)
        found = await self._read(call)
        if found.sha256 is None:
            raise errors.NotFound("This path is deleted.")
        name = found.file_name or found.path.rpartition("/")[2]
        return await self._blobs.read(call, found.sha256, file_name=name, inline=call.query.inline)

    async def history(self, call: Call[NoBody, Since]) -> Answer:
        """Tell what a path pointed at before."""
        require_living(call)
        query = call.query
        question = PathHistory(path=query.path, before=query.before, limit=query.limit)
        page = await self._blobs.caller.ask(PATH_HISTORY, question, call.actor)
        end = page.paths[-1].version if page.more else None
        return Answer.json(PathVersions(items=page.paths, next_before=end))

    async def put(self, call: Call[Pointed, Named]) -> Answer:
        """Point a path at a file."""
        require_living(call)
        body, path = call.body, call.query.path
        question = PutPath(
            path=path,
            sha256=body.sha256,
            file_name=body.file_name,
            asset_type=body.asset_type,
            base_version=await self._base(call, path, body.base_version),
        )
        found = await self._blobs.caller.ask(PUT_PATH, question, call.actor, deadline_s=DEADLINE_S)
        return Answer.json(found, 200, {"ETag": _tag(found)})

    async def delete(self, call: Call[NoBody, Forgotten]) -> Answer:
        """Delete a path."""
        require_living(call)
        if not _is_own(call, call.query.path):
            call.require("blob.delete")
        question = DeletePath(
            path=call.query.path,
            reason=call.query.reason,
            base_version=await self._base(call, call.query.path, None),
        )
        await self._blobs.caller.ask(DELETE_PATH, question, call.actor, deadline_s=DEADLINE_S)
        return Answer(204)

    async def _base(self, call: AnyCall, path: str, given: int | None) -> int | None:
        """Return the version that the caller means; If-Match wins.

        Raises:
            PreconditionFailed: If-Match names none, or only others than the one that is there.
        """
        versions = etags.path_versions(call.header("if-match"))
        if versions is None or len(versions) == 1:
            return versions[0] if versions else given
        question = ReadPath(path=path)
        now = await self._blobs.caller.ask(READ_PATH, question, call.actor)
        if now.version not in versions:
            raise errors.PreconditionFailed(currentVersion=now.version)
        return now.version

    async def _read[Q: Named](self, call: Call[NoBody, Q]) -> BlobPath:
        question = ReadPath(path=call.query.path, version=call.query.version)
        return await self._blobs.caller.ask(READ_PATH, question, call.actor)


def _is_own(call: AnyCall, path: str) -> bool:
    return path.startswith(f"users/{call.identity.user_id}/")


def _tag(found: BlobPath) -> str:
    return f'W/"path-v{found.version}"'
