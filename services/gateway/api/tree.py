"""A project's books, chapters and scenes in one answer."""

from hashlib import blake2b

from libs.contracts.events.tree import READ_TREE, Tree, WrittenTree
from services.gateway.access.limits import LimitClass
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall


async def _as_written(_: Context, call: AnyCall, tree: WrittenTree) -> Answer:
    body = tree.text.encode()
    # Not a version: what is in the tree changes without the project's own version.
    tag = f'W/"tree-{call.path["id"]}-{blake2b(body, digest_size=12).hexdigest()}"'
    if etags.is_known(call.header("if-none-match"), tag):
        return Answer(304, headers={"ETag": tag})
    return Answer(body=body, headers={"ETag": tag})


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/projects/{id}/tree",
        READ_TREE,
        summary="All books, chapters and scenes of a project, in order",
        description="With If-None-Match the answer to a known tree is 304.",
        tag="Projects",
        cost=LimitClass.READ,
        place="project",
        action="project.read",
        show=_as_written,
        answer=Tree,
        etag=True,
        problems=("LIMIT_REACHED",),
    ),
)
