"""The HTTP application: Litestar routes, our pipeline, our errors, our outermost layer."""

from collections.abc import Mapping, Sequence

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp

from services.gateway.http.document import Document
from services.gateway.http.middleware import Edge
from services.gateway.http.openapi import openapi
from services.gateway.http.pipeline import Pipeline
from services.gateway.http.problems import answer_failure
from services.gateway.http.public import UNDOCUMENTED, Public
from services.gateway.http.route import Answer, AnyRoute

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
    upload_headers: Mapping[str, str],
) -> ASGIApp:
    """Return the application that serves *routes*.

    The answer to an OPTIONS request about uploads has *upload_headers* (tus 1.0, 5.1).
    """
    documented = openapi(route for route in routes if route.path not in UNDOCUMENTED)
    public.openapi = Document(Answer.json(documented).body)
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
        of_uploads={**upload_headers, "Access-Control-Expose-Headers": ", ".join(_EXPOSED)},
    )
