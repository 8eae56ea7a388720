"""The HTTP application: Litestar routes, our pipeline, our errors, our outermost layer."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp

from services.gateway.edge.middleware import Edge
from services.gateway.edge.openapi import openapi
from services.gateway.edge.pipeline import Pipeline
from services.gateway.edge.route import Answer, AnyRoute
from services.gateway.problems import answer_failure
from services.gateway.routes.public import UNDOCUMENTED, Public
from services.gateway.routes.tus_words import OFFERED

PREFLIGHT_LIFE_S = 600
_EXPOSED = (
    "ETag",
    "Location",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "Scriptorium-Seq",
    "Scriptorium-Sha256",
    "Scriptorium-State-Vector",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-Request-Id",
    "traceparent",
)


def build(
    routes: Sequence[AnyRoute],
    pipeline: Pipeline,
    public: Public,
    *,
    allowed_origins: Sequence[str],
) -> ASGIApp:
    """Return the application that serves *routes*."""
    public.openapi = Answer.json(
        openapi(route for route in routes if route.path not in UNDOCUMENTED)
    )
    cors = CORSConfig(
        allow_origins=list(allowed_origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],
        expose_headers=list(_EXPOSED),
        max_age=PREFLIGHT_LIFE_S,
    )
    return Edge(
        Litestar(
            [pipeline.mount(route) for route in routes],
            exception_handlers={Exception: answer_failure},
            cors_config=cors if allowed_origins else None,
            openapi_config=None,
            logging_config=None,
        ),
        of_uploads={**OFFERED, "Access-Control-Expose-Headers": ", ".join(_EXPOSED)},
    )
