"""The gateway process: `python -m services.gateway.app`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import structlog

from libs import process
from libs.bus import Caller, connect_broker, is_connected
from libs.postgres import Pool, connect, migrate
from libs.process.server import HttpServer
from libs.telemetry import Health, serve_ops
from services.gateway.authority import Authority
from services.gateway.blobs import Blobs
from services.gateway.bytes import Bytes
from services.gateway.catalogue import Catalogue
from services.gateway.edge.application import build
from services.gateway.edge.pipeline import Pipeline
from services.gateway.editors import Editors
from services.gateway.facts import Facts
from services.gateway.idempotency import Idempotency
from services.gateway.identity import Identities
from services.gateway.identity.access import AccessTokens
from services.gateway.identity.endings import Endings
from services.gateway.identity.keys import KeyRing
from services.gateway.identity.oidc import OidcIssuer
from services.gateway.identity.passwords import Passwords
from services.gateway.identity.store import IdentityStore
from services.gateway.limits import LimitClass, Limits
from services.gateway.live import Live
from services.gateway.live.protocol import upgrade_protocol
from services.gateway.logins import LoginLimits
from services.gateway.maintenance import keep_clean
from services.gateway.notices import Notices
from services.gateway.operators import Operators
from services.gateway.routes.audit import AuditRoutes
from services.gateway.routes.blobs import BlobRoutes
from services.gateway.routes.branches import BranchRoutes
from services.gateway.routes.bundles import BundleRoutes
from services.gateway.routes.content import ContentRoutes
from services.gateway.routes.editors import EditorRoutes
from services.gateway.routes.events import EventRoutes
from services.gateway.routes.exchange import ExchangeRoutes
from services.gateway.routes.files import FileRoutes
from services.gateway.routes.grants import GrantRoutes
from services.gateway.routes.history import HistoryRoutes
from services.gateway.routes.identity import IdentityRoutes
from services.gateway.routes.library import LibraryRoutes
from services.gateway.routes.lifecycle import LifecycleRoutes
from services.gateway.routes.manuscript import manuscript_routes
from services.gateway.routes.members import Members
from services.gateway.routes.named_snapshots import NamedSnapshotRoutes
from services.gateway.routes.paths import PathRoutes
from services.gateway.routes.persistence import PersistenceRoutes
from services.gateway.routes.public import Public
from services.gateway.routes.replay import ReplayRoutes
from services.gateway.routes.sync import SyncRoutes
from services.gateway.routes.teams import TeamRoutes
from services.gateway.routes.tickets import TicketRoutes
from services.gateway.routes.tree import TreeRoutes
from services.gateway.routes.tus import UploadRoutes
from services.gateway.routes.workspaces import WorkspaceRoutes
from services.gateway.routes.world import world_routes
from services.gateway.settings import Settings
from services.gateway.streams import Streams
from services.gateway.teams import TeamStore
from services.gateway.teams.changes import TeamChanges
from services.gateway.vouching import Vouching

log = structlog.get_logger(__name__)

SERVICE = "gateway"
STATEMENT_TIMEOUT_S = 5.0
"""A person waits behind each statement; none of ours takes long."""


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Run until *stop*."""
    if settings.postgres_owner_url:
        role = urlsplit(settings.postgres_url).username or SERVICE
        await migrate(settings.postgres_owner_url, "services.gateway", role=role)
    async with AsyncExitStack() as stack:
        pool = await connect(
            settings.postgres_url,
            application=settings.replica,
            size_max=settings.postgres_connections_max,
            statement_timeout_s=STATEMENT_TIMEOUT_S,
        )
        stack.push_async_callback(pool.close)
        lives: list[Live | Streams] = []

        async def reconnected() -> None:
            for live in lives:
                await live.reconnected()

        broker, client = await connect_broker(
            settings.nats_url,
            service=SERVICE,
            replica=settings.replica,
            on_reconnect=reconnected,
        )
        stack.push_async_callback(broker.stop)
        web = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
        passwords = Passwords()
        stack.callback(passwords.close)

        keys = await asyncio.to_thread(KeyRing, settings.keys_dir)
        people = IdentityStore(pool)
        endings = Endings(people, access_token_life_s=settings.access_token_life_s)
        identities = Identities(
            store=people,
            passwords=passwords,
            access=_access_tokens(settings, keys),
            endings=endings,
            oidc=_oidc(settings, web),
            refresh_token_life_s=settings.refresh_token_life_s,
            session_life_s=settings.session_life_s,
            clock=lambda: datetime.now(UTC),
        )
        caller = Caller(client)
        teams = TeamStore(pool)
        authority = Authority(client=client, caller=caller, identities=identities, teams=teams)
        limits = Limits(client, _per_minute(settings))
        live = Live(
            client=client,
            caller=caller,
            authority=authority,
            limits=limits,
            settings=settings,
            replica=settings.replica,
        )
        streams = Streams(client, caller, authority)
        lives += [live, streams]
        endings.watch(live, streams)
        # Before anybody is let in: an access token of a session that has ended is good for nobody.
        await endings.look()
        facts = Facts(authority, live, streams)
        facts.subscribe(broker, client)
        await facts.listen(client)
        await broker.start()
        await live.start()

        # Routes ask with it; whoever asks about themselves needs nobody's word.
        caller = Vouching(client, authority.teams_of)
        carrier = Bytes(settings.blobs_url)
        stack.push_async_callback(carrier.close)
        blobs = Blobs(caller, carrier)
        editors = Editors(caller)
        idempotency = Idempotency(pool)
        pipeline = Pipeline(
            authority=authority,
            limits=limits,
            idempotency=idempotency,
            trusted_proxies=settings.trusted_networks,
        )
        health = Health(bus=is_connected(client), database=_answers(pool))
        public = Public(keys, health)
        routes = [
            *IdentityRoutes(identities, LoginLimits(limits, identities)).routes(),
            *manuscript_routes(caller, authority),
            *world_routes(caller, authority, blobs),
            *FileRoutes(caller, blobs).routes(),
            *BlobRoutes(blobs, settings.public_url).routes(),
            *UploadRoutes(blobs, settings.public_url).routes(),
            *PathRoutes(blobs).routes(),
            *TicketRoutes(blobs).routes(),
            *BundleRoutes(caller, authority).routes(),
            *SyncRoutes(caller, authority).routes(),
            *Members(caller, authority, people).routes(),
            *TeamRoutes(teams, authority).routes(),
            *GrantRoutes(caller, authority, teams).routes(),
            *AuditRoutes(caller, people, teams).routes(),
            *TreeRoutes(caller).routes(),
            *ContentRoutes(caller, editors).routes(),
            *EditorRoutes(caller, authority, editors).routes(),
            *HistoryRoutes(caller, people, editors).routes(),
            *ReplayRoutes(caller).routes(),
            *NamedSnapshotRoutes(caller).routes(),
            *BranchRoutes(caller, editors).routes(),
            *PersistenceRoutes(caller, Operators(settings.operators)).routes(),
            *EventRoutes(streams, Catalogue(caller)).routes(),
            *WorkspaceRoutes(caller, authority).routes(),
            *ExchangeRoutes(caller, blobs).routes(),
            *LibraryRoutes(caller, authority).routes(),
            *LifecycleRoutes(caller, authority).routes(),
            *public.routes(),
        ]
        server = HttpServer(
            build(routes, pipeline, public, allowed_origins=settings.allowed_origins),
            host=settings.host,
            port=settings.port,
            drain_wait_s=settings.drain_wait_s,
            upgrade_protocol=upgrade_protocol(live.accept),
        )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        chores = [
            tasks.create_task(keys.watch()),
            tasks.create_task(Notices(pool, endings, TeamChanges(authority, live, streams)).run()),
            tasks.create_task(keep_clean(people.clean, idempotency.clean)),
        ]
        await server.start()
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        stack.push_async_callback(asyncio.to_thread, close_ops)
        process.settled()
        log.info("gateway ready", host=settings.host, port=settings.port)
        try:
            await _until_stopped(stop, server)
        finally:
            health.draining = True
            for chore in chores:
                chore.cancel()
            # At once: the listener counts as closed only when its sockets are, too.
            await asyncio.gather(server.drain(), live.drain(), streams.drain())
        log.info("gateway drained")


async def _until_stopped(stop: asyncio.Event, server: HttpServer) -> None:
    waits = {asyncio.create_task(stop.wait()), asyncio.create_task(server.wait_failed())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _access_tokens(settings: Settings, keys: KeyRing) -> AccessTokens:
    return AccessTokens(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        life_s=settings.access_token_life_s,
    )


def _oidc(settings: Settings, web: httpx.AsyncClient) -> OidcIssuer | None:
    if settings.oidc_issuer and settings.oidc_audience:
        return OidcIssuer(settings.oidc_issuer, settings.oidc_audience, web)
    return None


def _per_minute(settings: Settings) -> dict[LimitClass, int]:
    return {
        LimitClass.AUTH: settings.limit_auth_per_minute,
        LimitClass.ACCOUNT: settings.limit_account_per_minute,
        LimitClass.READ: settings.limit_read_per_minute,
        LimitClass.WRITE: settings.limit_write_per_minute,
        LimitClass.CONTENT: settings.limit_content_per_minute,
        LimitClass.AI: settings.limit_ai_per_minute,
    }


def _answers(pool: Pool) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        await pool.fetchval("SELECT 1")

    return check


if __name__ == "__main__":
    process.run(SERVICE, process.load(Settings), main)
