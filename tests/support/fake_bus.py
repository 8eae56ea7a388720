"""A bus in the test's own process, which delivers when the test says so."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

type OnMessage = Callable[[Msg], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the gateway published."""

    subject: str
    data: bytes
    reply: str


class FakeBus:
    """Takes the place of a NATS client: keeps subscriptions, and what was published."""

    pending_data_size = 0

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        """Published and not taken by the test yet, oldest first."""
        self.away = False
        """Whether publishing fails."""
        self._subscriptions: dict[str, OnMessage] = {}

    @property
    def client(self) -> Client:
        """The bus as the gateway sees it."""
        return cast("Client", self)

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        if self.away:
            raise nats.errors.ConnectionClosedError
        self.sent.append(Sent(subject, payload, reply))

    async def subscribe(self, subject: str, queue: str = "", cb: OnMessage | None = None) -> object:
        """Every subscription is the only one of its subject, so queues make no difference."""
        del queue
        assert cb, "nothing iterates over messages here"
        self._subscriptions[subject] = cb
        return _Subscription(self, subject)

    async def flush(self) -> None:
        """Everything is delivered when the test says so."""

    def take_sent(self) -> list[Sent]:
        """Return what was published since the last call."""
        sent, self.sent = self.sent, []
        return sent

    async def deliver(self, subject: str, data: bytes, reply: str = "") -> None:
        """Hand a message to the subscription of its subject, if there is one."""
        wildcard = subject.rpartition(".")[0] + ".*"
        callback = self._subscriptions.get(subject) or self._subscriptions.get(wildcard)
        if callback:
            await callback(Msg(self.client, subject=subject, data=data, reply=reply))

    def unsubscribe(self, subject: str) -> None:
        """Forget a subscription."""
        self._subscriptions.pop(subject, None)


@dataclass(frozen=True, slots=True)
class _Subscription:
    bus: FakeBus
    subject: str

    async def unsubscribe(self) -> None:
        self.bus.unsubscribe(self.subject)
