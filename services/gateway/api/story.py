"""Questions about the story that read several kinds at once."""

from libs.contracts.events.story import APPEARANCES_OF, KNOWLEDGE_AT
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Endpoint

ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/entities/{id=entity_id}/appearances",
        APPEARANCES_OF,
        summary="List the scenes that an entity is in",
        description="In manuscript order; `role=POV` lists the scenes told through it.",
        tag="Appearances",
        cost=LimitClass.READ,
        place="entity",
        action="appearance.read",
    ),
    Endpoint(
        "GET",
        "/api/scenes/{id=scene_id}/knowledge",
        KNOWLEDGE_AT,
        summary="Who knows what at the end of a scene",
        description=(
            "The facts revealed up to and in this scene, in the order of telling, each"
            " with the characters who were there; with `entityId`, only what that"
            " character was there for."
        ),
        tag="Facts",
        cost=LimitClass.READ,
        place="scene",
        action="canon.read",
    ),
)
