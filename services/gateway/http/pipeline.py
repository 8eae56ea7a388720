"""The steps of every request: authentication, rate limit, permission, validation, idempotency."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any, cast
from uuid import UUID

import structlog
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from libs import errors
from libs.postgres import is_full
from libs.postgres.pool import UNREACHABLE
from services.gateway.access import permissions
from services.gateway.access.authority import Authority
from services.gateway.access.limits import Limits, Spent, caller_of, client_address
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity import Identity
from services.gateway.http import bodies
from services.gateway.http.idempotency import Claim, Idempotency
from services.gateway.http.incoming import Incoming
from services.gateway.http.middleware import extra_headers
from services.gateway.http.route import EVENT_STREAM, Answer, AnyRoute, Call, NoBody
from services.gateway.http.streaming import StreamedResponse
from services.gateway.http.transfers import Transfer, Transfers

log = structlog.get_logger(__name__)

type AnyRequest = Request[Any, Any, Any]


class Pipeline:
    """Serves routes."""

    def __init__(
        self,
        *,
        authority: Authority,
        limits: Limits,
        idempotency: Idempotency,
        transfers: Transfers,
        trusted_proxies: Sequence[IPv4Network | IPv6Network],
    ) -> None:
        """Use these parts for every request."""
        self._authority = authority
        self._limits = limits
        self._idempotency = idempotency
        self._transfers = transfers
        self._trusted = trusted_proxies

    def mount(self, route: AnyRoute) -> HTTPRouteHandler:
        """Return *route* as a Litestar handler."""

        async def endpoint(request: AnyRequest) -> Response[bytes]:
            return await self.serve(route, request)

        path = route.path.replace("}", ":str}")
        return HTTPRouteHandler(
            path,
            http_method=("GET", "HEAD") if route.head else route.method,
            name=f"{route.method} {route.path}",
            status_code=200,  # each answer brings its own
            include_in_schema=False,
        )(cast("Callable[..., Any]", endpoint))

    async def serve(self, route: AnyRoute, request: AnyRequest) -> Response[bytes]:
        """Answer one request.

        Raises:
            AppError: It was refused or failed; `problems` turns it into the answer.
        """
        extra_headers(request.scope).update(route.always)
        try:
            answer = await self._answer(route, request)
        except UNREACHABLE as error:
            log.warning("database unreachable", reason=repr(error)[:200])
            raise (errors.StorageFull if is_full(error) else errors.Unavailable) from error
        if answer.stream:
            return StreamedResponse(answer, answer.stream)
        return Response(
            answer.body,
            status_code=answer.status,
            media_type=answer.media_type,
            headers=dict(answer.headers),
        )

    async def _answer(self, route: AnyRoute, request: AnyRequest) -> Answer:
        address = self._address(request)
        identity = None if route.anonymous else await self._identify(route, request, address)
        spent = await self._count(route, identity, address, request)
        path, texts = bodies.parse_path(request.path_params, route.texts)
        access = await self._authorize(route, identity, path)
        if spent:
            role = access.role if access else None
            extra_headers(request.scope).update(spent.allowance(role).headers())
            spent.require(role)
        raw = b""
        if route.has_body and route.body is not Incoming:
            if route.body is not bytes:
                bodies.require_json(request)
            raw = await bodies.read_body(request, route.body_bytes_max)
        query = bodies.parse_query(route.query, request.query_params)
        transfer = identity and Transfer(identity)
        if route.body is Incoming:
            body: Any = Incoming(request, route.body_bytes_max, transfer)
        else:
            body = _body(route, raw)

        async def work(claim: Claim) -> Answer:
            if access and access.deleted and not route.answers_deleted:
                raise errors.NotFound
            call = Call(
                request=request,
                body=body,
                query=query,
                path=path,
                command_id=claim.command_id,
                new_id=claim.new_id,
                identity_or_none=identity,
                access_or_none=access,
                address=address,
                texts=texts,
            )
            with self._transfers.holding(transfer):
                return self._guarded(await route.handler(call), identity)

        key = request.headers.get("idempotency-key")
        if key is None or identity is None or not route.idempotent_by_key:
            return await work(Claim.fresh())
        request_hash = _request_hash(request, raw)
        return await self._idempotency.once(identity.user_id, key, request_hash, work)

    def _guarded(self, answer: Answer, identity: Identity | None) -> Answer:
        # Event streams end by themselves, with a word.
        if answer.stream is None or identity is None or answer.media_type == EVENT_STREAM:
            return answer
        source = self._transfers.guarded(identity, answer.stream.source)
        return replace(answer, stream=replace(answer.stream, source=source))

    def _address(self, request: AnyRequest) -> str:
        peer = request.client.host if request.client else ""
        if not self._trusted:
            return peer
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
        return client_address(peer, [h for h in forwarded.split(",") if h.strip()], self._trusted)

    async def _identify(self, route: AnyRoute, request: AnyRequest, address: str) -> Identity:
        try:
            return await self._authority.identify(_token(request))
        except errors.Unauthenticated:
            await self._count(route, None, address, request)  # guessing has its limit
            raise

    async def _count(
        self, route: AnyRoute, identity: Identity | None, address: str, request: AnyRequest
    ) -> Spent | None:
        if route.cost is None:
            return None
        user_id = identity.user_id if identity else None
        spent = await self._limits.count(route.cost, caller_of(user_id, address))
        extra_headers(request.scope).update(spent.allowance(None).headers())
        if identity is None:
            spent.require(None)
        spent.require_at_most_any()
        return spent

    async def _authorize(
        self, route: AnyRoute, identity: Identity | None, path: dict[str, UUID]
    ) -> Access | None:
        if identity is None or route.action is None:
            return None
        if route.place is None:
            permissions.require_scope(identity, route.action)
            return None
        kind, member = route.place
        access = await self._authority.access(
            identity, kind, path[member], deleted_matters=not route.answers_deleted
        )
        permissions.require(access, route.action)
        if route.method != "GET":
            permissions.require_open(access, route.action)
        return access


def _body(route: AnyRoute, raw: bytes) -> Any:
    if route.body is bytes:
        return raw
    return bodies.parse_body(route.body, raw) if route.has_body else NoBody()


def _token(request: AnyRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.Unauthenticated
    return token.strip()


def _request_hash(request: AnyRequest, raw: bytes) -> bytes:
    query: bytes = request.scope.get("query_string", b"")
    target = f"{request.method} {request.scope['path']}?".encode() + query + b"\n"
    return hashlib.sha256(target + raw).digest()
