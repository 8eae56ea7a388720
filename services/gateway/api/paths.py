"""Logical paths: names for files that can be pointed elsewhere, with their history.

The path is a query parameter, because proxies decode and tidy up what is in the address.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

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
    Paths,
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
)
from services.gateway.http import etags
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import (
    Answer,
    AnyCall,
    AnyRoute,
    Call,
    NoBody,
    Query,
    Route,
    Version,
)

TAG = "Paths"
_PATH = "/api/projects/{id}/path"
PATH_CHARS_MAX = 1024
ITEMS_MAX = 500

PathText = Annotated[str, StringConstraints(min_length=1, max_length=PATH_CHARS_MAX)]
Limit = Annotated[int, Field(ge=1, le=ITEMS_MAX)]


class Named(Query):
    """A path, and one of its versions; without it the newest."""

    path: PathText
    version: Version | None = None


class NamedShown(Named):
    """A path, and whether a browser may show the file instead of saving it."""

    inline: bool = False


class Forgotten(Query):
    """A path, and a reason."""

    path: PathText
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class Below(Query):
    """A page of paths: those that begin with `prefix`, after the path `after`."""

    prefix: Annotated[str, StringConstraints(max_length=PATH_CHARS_MAX)] = ""
    after: Annotated[str, StringConstraints(max_length=PATH_CHARS_MAX)] = ""
    limit: Limit = 100
    include_deleted: bool = False


class Since(Query):
    """A page of the versions of a path."""

    path: PathText
    before: Version | None = None
    limit: Limit = 100


class Pointed(Wire):
    """The blob that a path points at. `baseVersion` 0 requires that the path does not exist yet."""

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


def _tag(found: BlobPath) -> str:
    return f'W/"path-v{found.version}"'


async def _page(_: Context, _call: AnyCall, page: Paths) -> PathPage:
    return PathPage(items=page.paths, next_after=page.paths[-1].path if page.more else None)


async def _versions(_: Context, _call: AnyCall, page: Paths) -> PathVersions:
    return PathVersions(items=page.paths, next_before=page.paths[-1].version if page.more else None)


async def _tagged(_: Context, call: AnyCall, found: BlobPath) -> Answer:
    tag = _tag(found)
    if call.request.method == "GET" and etags.is_known(call.header("if-none-match"), tag):
        return Answer(304, headers={"ETag": tag})
    return Answer.json(found, 200, {"ETag": tag})


async def _base(context: Context, call: AnyCall) -> Mapping[str, Any]:
    """Return the version that the caller means; If-Match wins over `baseVersion`.

    Raises:
        PreconditionFailed: If-Match names none, or only others than the one that is there.
    """
    versions = etags.path_versions(call.header("if-match"))
    if versions is None:
        return {}
    if len(versions) == 1:
        return {"base_version": versions[0]}
    now = await context.caller.ask(READ_PATH, ReadPath(path=call.query.path), call.actor)
    if now.version not in versions:
        raise errors.PreconditionFailed(currentVersion=now.version)
    return {"base_version": now.version}


async def _may_delete(context: Context, call: AnyCall) -> Mapping[str, Any]:
    if not call.query.path.startswith(f"users/{call.identity.user_id}/"):
        call.require("blob.delete")
    return await _base(context, call)


_row = partial(Endpoint, tag=TAG, place="project")
_read = partial(_row, cost=LimitClass.READ, action="blob.read")
_write = partial(_row, cost=LimitClass.WRITE, action="blob.upload", deadline_s=DEADLINE_S)

READING = (
    _read(
        "GET",
        "/api/projects/{id}/paths",
        LIST_PATHS,
        summary="List paths",
        query=Below,
        show=_page,
        answer=PathPage,
    ),
    _read(
        "GET",
        _PATH,
        READ_PATH,
        summary="What a path points at",
        query=Named,
        show=_tagged,
        etag=True,
    ),
)

HISTORY_AND_WRITING = (
    _read(
        "GET",
        f"{_PATH}/history",
        PATH_HISTORY,
        summary="What a path pointed at before",
        query=Since,
        show=_versions,
        answer=PathVersions,
    ),
    _write(
        "PUT",
        _PATH,
        PUT_PATH,
        summary="Point a path at a file",
        description=(
            "`users/{userId}/{notes|tasks|attachments|exports}/...` or `project/...`."
            " A person's paths are there for that person alone. If-Match or"
            " `baseVersion` refuses when somebody pointed it elsewhere meanwhile."
        ),
        body=Pointed,
        query=Named,
        prepare=_base,
        show=_tagged,
        etag=True,
        problems=("BLOB_UNAVAILABLE", "CONFLICT", "PRECONDITION_FAILED"),
    ),
    _write(
        "DELETE",
        _PATH,
        DELETE_PATH,
        summary="Delete a path",
        description=(
            "Its history stays, and the file for the time of retention. A path of the"
            " project is deleted by roles that may delete files (`blob.delete`)."
        ),
        query=Forgotten,
        prepare=_may_delete,
        status=204,
        problems=("CONFLICT", "PRECONDITION_FAILED"),
    ),
)


def content_route(blobs: Blobs) -> AnyRoute:
    """Return the route that streams the file that a path points at."""

    async def fetch(call: Call[NoBody, NamedShown]) -> Answer:
        question = ReadPath(path=call.query.path, version=call.query.version)
        found = await blobs.caller.ask(READ_PATH, question, call.actor)
        if found.sha256 is None:
            raise errors.NotFound("This path is deleted.")
        name = found.file_name or found.path.rpartition("/")[2]
        return await blobs.read(call, found.sha256, file_name=name, inline=call.query.inline)

    return Route(
        method="GET",
        path=f"{_PATH}/content",
        handler=fetch,
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
        answer_media_types=(ANY,),
        answer_headers=READ_HEADERS,
        also=(206,),
        waits=Blob,
        head=True,
    )
