"""Suggestions on a scene: made, listed, accepted, rejected, withdrawn, reverted."""

from functools import partial

from libs.contracts.collab.suggestions import (
    CREATE_SUGGESTION,
    DECIDE_SUGGESTION,
    LIST_SUGGESTIONS,
    READ_SUGGESTION,
    SUGGESTIONS_MAX,
    Decision,
    Suggestion,
    SuggestionCreate,
)
from services.gateway.access.limits import LimitClass
from services.gateway.api.reviewed import within
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall, Basis

_OF_SCENE = "/api/scenes/{id=scene_id}/suggestions"
_ONE = "/api/suggestions/{id}"
DEADLINE_S = 20.0
"""An edit may have to be made in a large scene, and made again while people write there."""


async def _with_tag(_: Context, __: AnyCall, suggestion: Suggestion) -> Answer:
    """Answer a suggestion with its ETag, and never 304: its words move without a new version."""
    tag = etags.etag("suggestion", suggestion.id, suggestion.version)
    return Answer.json(suggestion, headers={"ETag": tag})


_row = partial(Endpoint, tag="Suggestions", deadline_s=DEADLINE_S)
_decide = partial(
    _row,
    "POST",
    rpc=DECIDE_SUGGESTION,
    cost=LimitClass.CONTENT,
    query=Basis,
    versioned="suggestion",
    etag=True,
    problems=("CONFLICT", "PRECONDITION_FAILED"),
)

ENDPOINTS = (
    _row(
        "POST",
        _OF_SCENE,
        CREATE_SUGGESTION,
        summary="Suggest a change",
        description=(
            "`replace` or `delete` the words of the anchor, or `insert` text `before` or `after`"
            " them. A line feed in `text` begins a new block; `blocks` instead of it are types and"
            " marks, too, as in `format=blocks`. `attributes` sets marks of the words, or type and"
            " attributes of their blocks. The text stays as it is until somebody accepts the"
            " suggestion. A scene has at most"
            f" {SUGGESTIONS_MAX} open suggestions."
        ),
        place="scene",
        action="scene.suggest",
        cost=LimitClass.WRITE,
        body=SuggestionCreate,
        new_id="id",
        status=201,
        location="/api/suggestions/{id}",
        versioned="suggestion",
        etag=True,
        problems=("ANCHOR_NOT_FOUND", "ANCHOR_AMBIGUOUS", "LIMIT_REACHED"),
    ),
    _row(
        "GET",
        _OF_SCENE,
        LIST_SUGGESTIONS,
        summary="List suggestions",
        description="The newest first.",
        place="scene",
        action="scene.read",
        cost=LimitClass.READ,
    ),
    _row(
        "GET",
        _ONE,
        READ_SUGGESTION,
        summary="Read a suggestion",
        enter=within("suggestion", "scene.read"),
        action="scene.read",
        cost=LimitClass.READ,
        show=_with_tag,
        answer=Suggestion,
    ),
    _decide(
        path=f"{_ONE}/accept",
        summary="Accept a suggestion",
        description=(
            "Its change becomes one edit of the scene, by the caller, once however often it is"
            " accepted. Where the words were changed since, 409 CONFLICT gives `base`, `now` and"
            " `proposed`, and nothing is written."
        ),
        enter=within("suggestion", "scene.decide"),
        action="scene.decide",
        fixed={"decision": Decision.ACCEPT},
    ),
    _decide(
        path=f"{_ONE}/reject",
        summary="Reject a suggestion",
        description="The text stays as it is.",
        enter=within("suggestion", "scene.decide"),
        action="scene.decide",
        fixed={"decision": Decision.REJECT},
    ),
    _decide(
        path=f"{_ONE}/withdraw",
        summary="Withdraw a suggestion of one's own",
        enter=within("suggestion", "scene.suggest"),
        action="scene.suggest",
        fixed={"decision": Decision.WITHDRAW},
    ),
    _decide(
        path=f"{_ONE}/revert",
        summary="Take an accepted suggestion back",
        description="What others wrote since stays.",
        enter=within("suggestion", "scene.decide"),
        action="scene.decide",
        fixed={"decision": Decision.REVERT},
    ),
)
