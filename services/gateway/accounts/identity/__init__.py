"""Identity: people, their sessions, tokens and keys."""

from services.gateway.accounts.identity.identities import Identities
from services.gateway.accounts.identity.model import Identity, Scope

__all__ = ["Identities", "Identity", "Scope"]
