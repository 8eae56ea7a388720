"""Every route of the gateway, in the order of the documentation."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from services.gateway.access.login_limits import LoginLimits
from services.gateway.accounts.identity import Identities
from services.gateway.api import (
    aggregates,
    anchors,
    audit,
    authorship,
    blobs,
    branches,
    bundles,
    editors,
    entities,
    history,
    library,
    lifecycle,
    members,
    named_snapshots,
    notifications,
    patches,
    paths,
    persistence,
    refactors,
    runs,
    search,
    story,
    suggestions,
    sync,
    threads,
    tree,
    workspaces,
)
from services.gateway.api.content import ContentRoutes
from services.gateway.api.events import EventRoutes
from services.gateway.api.exchange import ExchangeRoutes
from services.gateway.api.files import FileRoutes
from services.gateway.api.identity import IdentityRoutes
from services.gateway.api.replay import ReplayRoutes
from services.gateway.api.shapes import MANUSCRIPT_SHAPES, Shape
from services.gateway.api.teams import TeamRoutes
from services.gateway.api.tickets import TicketRoutes
from services.gateway.api.tus import UploadRoutes
from services.gateway.api.world import BELOW, ENTITY, WORLD_SHAPES
from services.gateway.http.asking import routes_of
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyRoute
from services.gateway.streams import Streams
from services.gateway.streams.event_types import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Dependencies of handlers for bytes and streams, besides those of endpoints."""

    identities: Identities
    login_limits: LoginLimits
    blobs: Blobs
    streams: Streams
    catalogue: Catalogue
    public_url: str | None


def all_routes(context: Context, parts: Parts) -> list[AnyRoute]:
    """Return the routes, but for those that anybody may use."""
    caller, blob_service = context.caller, parts.blobs

    def asking(*tables: Iterable[Endpoint]) -> list[AnyRoute]:
        return routes_of(chain(*tables), context)

    shapes = (*MANUSCRIPT_SHAPES, *WORLD_SHAPES)
    return [
        *IdentityRoutes(parts.identities, parts.login_limits).routes(),
        *chain.from_iterable(_of_shape(shape, context, blob_service) for shape in shapes),
        *asking(aggregates.list_below(*each) for each in BELOW),
        *asking(story.ENDPOINTS),
        *FileRoutes(caller, blob_service).routes(),
        *blobs.BlobRoutes(blob_service, parts.public_url).routes(),
        *asking(blobs.ENDPOINTS),
        *UploadRoutes(blob_service, parts.public_url).routes(),
        *asking(paths.READING),
        paths.content_route(blob_service),
        *asking(paths.HISTORY_AND_WRITING),
        *TicketRoutes(blob_service).routes(),
        *asking(bundles.ENDPOINTS, sync.ENDPOINTS, members.ENDPOINTS),
        *TeamRoutes(context.teams, context.authority).routes(),
        *asking(members.TEAM_ENDPOINTS, audit.ENDPOINTS, tree.ENDPOINTS),
        *ContentRoutes(caller, context.editors).routes(),
        *asking(editors.ENDPOINTS, history.ENDPOINTS, authorship.ENDPOINTS),
        *ReplayRoutes(caller).routes(),
        *asking(named_snapshots.ENDPOINTS, branches.ENDPOINTS),
        *asking(
            anchors.ENDPOINTS,
            threads.ENDPOINTS,
            suggestions.ENDPOINTS,
            patches.ENDPOINTS,
            refactors.ENDPOINTS,
        ),
        *asking(notifications.ENDPOINTS, persistence.ENDPOINTS, search.ENDPOINTS),
        *asking(runs.ENDPOINTS),
        *runs.RunStreams(context).routes(),
        *EventRoutes(parts.streams, parts.catalogue).routes(),
        *asking(workspaces.ENDPOINTS),
        *ExchangeRoutes(caller, blob_service).routes(),
        *asking(library.ENDPOINTS, lifecycle.ENDPOINTS),
    ]


def _of_shape(shape: Shape, context: Context, blob_service: Blobs) -> list[AnyRoute]:
    plain = routes_of(aggregates.endpoints_of(shape), context)
    if shape is ENTITY:
        return [entities.creation_route(context, blob_service), *plain]
    return [*routes_of([aggregates.creation(shape)], context), *plain]
