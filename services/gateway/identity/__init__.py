"""Who is asking: people, their sessions, tokens and keys."""

from services.gateway.identity.identities import Identities
from services.gateway.identity.model import Identity, Scope

__all__ = ["Identities", "Identity", "Scope"]
