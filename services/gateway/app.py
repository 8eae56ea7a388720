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
from libs.tasks import TaskRunner
from libs.telemetry import Health, serve_ops
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass, Limits
from services.gateway.access.login_limits import LoginLimits
from services.gateway.access.operators import Operators
from services.gateway.access.scene_editors import Editors
from services.gateway.access.team_changes import TeamChanges
from services.gateway.access.team_grants import Vouching
from services.gateway.accounts.identity import Identities
from services.gateway.accounts.identity.access import AccessTokens
from services.gateway.accounts.identity.endings import Endings
from services.gateway.accounts.identity.keys import KeyRing
from services.gateway.accounts.identity.oidc import OidcIssuer
from services.gateway.accounts.identity.passwords import Passwords
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.accounts.notifications import Notices
from services.gateway.accounts.teams import TeamStore
from services.gateway.api import tus_words
from services.gateway.api.table import Parts, all_routes
from services.gateway.event_consumers import Facts
from services.gateway.http.application import build
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.endpoint import Context
from services.gateway.http.forwarding import Bytes
from services.gateway.http.idempotency import Idempotency
from services.gateway.http.landing import Landing
from services.gateway.http.pipeline import Pipeline
from services.gateway.http.public import Public
from services.gateway.http.transfers import Transfers
from services.gateway.live.gateway import LiveGateway
from services.gateway.live.upgrade import upgrade_protocol
from services.gateway.maintenance import maintenance_tasks
from services.gateway.parts import PARTS, health_of_parts
from services.gateway.settings import Settings
from services.gateway.streams import Streams
from services.gateway.streams.event_types import Catalogue

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
        lives: list[LiveGateway | Streams] = []

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
        live = LiveGateway(
            client=client,
            caller=caller,
            authority=authority,
            limits=limits,
            settings=settings,
        )
        streams = Streams(client, caller, authority)
        lives += [live, streams]
        transfers = Transfers()
        endings.watch(live, streams, transfers)
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
        idempotency = Idempotency(pool)
        pipeline = Pipeline(
            authority=authority,
            limits=limits,
            idempotency=idempotency,
            transfers=transfers,
            trusted_proxies=settings.trusted_networks,
        )
        bus, database = is_connected(client), _answers(pool)
        health = Health(bus=bus, database=database)
        health_by_part = health_of_parts(Caller(client), bus=bus, database=database)
        public = Public(
            keys, health, Landing(health_by_part, PARTS, public_url=settings.public_url)
        )
        context = Context(
            caller=caller,
            authority=authority,
            editors=Editors(caller),
            people=people,
            teams=teams,
            operators=Operators(settings.operators),
        )
        parts = Parts(
            identities=identities,
            login_limits=LoginLimits(limits, identities),
            blobs=Blobs(caller, carrier),
            streams=streams,
            catalogue=Catalogue(caller),
            public_url=settings.public_url,
        )
        routes = [*all_routes(context, parts), *public.routes()]
        server = HttpServer(
            build(
                routes,
                pipeline,
                public,
                allowed_origins=settings.allowed_origins,
                upload_headers=tus_words.OFFERED,
            ),
            host=settings.host,
            port=settings.port,
            drain_wait_s=settings.drain_wait_s,
            upgrade_protocol=upgrade_protocol(live.accept),
        )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        notices = Notices(pool, endings, TeamChanges(authority, live, streams))
        listening = tasks.create_task(notices.run(), name="notices")
        runner = TaskRunner()
        stack.push_async_callback(runner.stop)
        runner.start(keys.task, *maintenance_tasks(people, idempotency))
        await server.start()
        close_ops = serve_ops(health, port=settings.ops_port, host=settings.ops_host)
        stack.push_async_callback(asyncio.to_thread, close_ops)
        process.settled()
        log.info("gateway ready", host=settings.host, port=settings.port)
        try:
            await _until_stopped(stop, server)
        finally:
            health.draining = True
            listening.cancel()
            await runner.stop()
            # At once: the listener counts as closed only when its sockets are, too.
            goodbyes = settings.goodbyes
            await asyncio.gather(server.drain(), live.drain(goodbyes), streams.drain(goodbyes))
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
