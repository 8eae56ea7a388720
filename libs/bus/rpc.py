"""Questions and commands: typed request and reply over core NATS.

The deadline, the actor and the trace travel as headers; errors come back as data and are raised
again at the caller. A service answers in a queue group, so any replica may.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
import structlog
from faststream.nats import NatsBroker, NatsResponse
from faststream.nats.annotations import NatsMessage
from nats.aio.client import Client
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Histogram
from pydantic import ValidationError

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.rpc import DEADLINE_S_DEFAULT, Method
from libs.contracts.wire import Wire
from libs.telemetry import inject, remote_context, tracer

log = structlog.get_logger(__name__)

WORKERS_MAX = 64
"""Requests of one method that a replica works on at once; the rest wait in its queue."""

_ACTOR = "scriptorium-actor"
_DEADLINE = "scriptorium-deadline-ms"
_STATUS = "scriptorium-status"

_served = Histogram(
    "scriptorium_rpc_seconds",
    "Time to serve a request, by method and outcome code.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_trace = tracer(__name__)

type Handler[Q: Wire, A: Wire] = Callable[[Q, Actor], Awaitable[A]]


class Caller:
    """Asks other services."""

    def __init__(self, client: Client) -> None:
        """Ask over *client*."""
        self._client = client

    async def ask[Q: Wire, A: Wire](
        self,
        method: Method[Q, A],
        question: Q,
        actor: Actor,
        *,
        deadline_s: float = DEADLINE_S_DEFAULT,
    ) -> A:
        """Ask and wait for the answer.

        Raises:
            AppError: What the service raised.
            Unavailable: Nobody serves the method now; nothing happened.
            DeadlineExceeded: No answer within *deadline_s*; a command may have happened.
        """
        with _trace.start_as_current_span(
            f"ask {method.service}.{method.name}", kind=SpanKind.CLIENT
        ):
            headers = inject() | {
                _ACTOR: actor.to_wire().decode(),
                _DEADLINE: str(int(deadline_s * 1000)),
            }
            try:
                reply = await self._client.request(
                    method.subject, question.to_wire(), timeout=deadline_s, headers=headers
                )
            except nats.errors.NoRespondersError as error:
                raise errors.Unavailable(f"The {method.service} service is away.") from error
            except (nats.errors.TimeoutError, TimeoutError) as error:
                raise errors.DeadlineExceeded from error
            except nats.errors.Error as error:
                raise errors.Unavailable from error
        if (reply.headers or {}).get(_STATUS) == "ok":
            # An answer of a newer release may say more; a question that does is refused.
            return method.answer.model_validate_json(reply.data, extra="ignore")
        failure = json.loads(reply.data)
        raise errors.from_code(failure["code"], failure["detail"], failure["data"])


def serve[Q: Wire, A: Wire](
    broker: NatsBroker, method: Method[Q, A], handler: Handler[Q, A]
) -> None:
    """Answer *method* with *handler*, in the service's queue group.

    The handler raises `AppError` for what a caller should know; anything else is logged here,
    once, and answered as INTERNAL without its text.
    """

    async def on_request(message: NatsMessage) -> NatsResponse:
        headers = dict(message.raw_message.headers or {})
        started = time.perf_counter()
        with _trace.start_as_current_span(
            f"serve {method.service}.{method.name}",
            context=remote_context(headers),
            kind=SpanKind.SERVER,
        ) as span:
            code, response = await _run(method, handler, headers, message.raw_message.data)
            if code != "OK":
                span.set_status(Status(StatusCode.ERROR, code))
        _served.labels(f"{method.service}.{method.name}", code).observe(
            time.perf_counter() - started
        )
        return response

    broker.subscriber(
        method.subject,
        queue=method.service,
        max_workers=WORKERS_MAX,
        title=f"{method.service}.{method.name}",
        decoder=whole,
    )(on_request)


async def whole(message: NatsMessage) -> NatsMessage:
    """Hand a handler the message itself.

    Bodies are decoded by the method's own model, not guessed from their first byte.
    """
    return message


async def _run[Q: Wire, A: Wire](
    method: Method[Q, A], handler: Handler[Q, A], headers: dict[str, str], body: bytes
) -> tuple[str, NatsResponse]:
    try:
        question = method.question.model_validate_json(body)
        actor = Actor.model_validate_json(headers[_ACTOR])
        async with asyncio.timeout(int(headers[_DEADLINE]) / 1000):
            answer = await handler(question, actor)
    except errors.AppError as error:
        failure = error
    except (ValidationError, KeyError, ValueError) as error:
        log.warning("request refused", method=method.name, reason=type(error).__name__)
        failure = errors.Invalid()
    except TimeoutError:
        failure = errors.DeadlineExceeded()
    except Exception:
        log.exception("request failed", method=method.name)
        failure = errors.Internal()
    else:
        return "OK", NatsResponse(answer.to_wire(), headers={_STATUS: "ok"})
    payload: dict[str, Any] = {
        "code": failure.code,
        "detail": failure.detail,
        "data": failure.data,
    }
    body = json.dumps(payload, default=str).encode()
    return failure.code, NatsResponse(body, headers={_STATUS: "error"})
