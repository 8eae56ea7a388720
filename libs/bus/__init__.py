"""The bus: typed requests, durable facts and their delivery, and the outbox with its relay."""

from libs.bus.broker import Client, Disconnected, connect_broker, is_connected, synced
from libs.bus.delivery import PoisonMessage, subscribe_durably, subscribe_facts
from libs.bus.drain import drain
from libs.bus.outbox import Fact, LocalRelay, RelayNotifier, announce
from libs.bus.relay import FilteredFacts, PublishFilter, QueuedFact, Relay
from libs.bus.rpc import Caller, Handler, serve

__all__ = [
    "Caller",
    "Client",
    "Disconnected",
    "Fact",
    "FilteredFacts",
    "Handler",
    "LocalRelay",
    "PoisonMessage",
    "PublishFilter",
    "QueuedFact",
    "Relay",
    "RelayNotifier",
    "announce",
    "connect_broker",
    "drain",
    "is_connected",
    "serve",
    "subscribe_durably",
    "subscribe_facts",
    "synced",
]
