"""The bus: typed questions, durable facts, one verdict for each failure, the outbox relay."""

from libs.bus.broker import Client, Disconnected, connect_broker, heard, is_connected
from libs.bus.drain import drain
from libs.bus.outbox import Bell, Fact, Near, announce
from libs.bus.relay import Due, Relay, Screened, Screening
from libs.bus.rpc import Caller, Handler, serve
from libs.bus.verdict import Poison, subscribe_facts

__all__ = [
    "Bell",
    "Caller",
    "Client",
    "Disconnected",
    "Due",
    "Fact",
    "Handler",
    "Near",
    "Poison",
    "Relay",
    "Screened",
    "Screening",
    "announce",
    "connect_broker",
    "drain",
    "heard",
    "is_connected",
    "serve",
    "subscribe_facts",
]
