"""Teams: who is in which, and how every gateway hears of a change."""

from services.gateway.accounts.teams.model import Teams
from services.gateway.accounts.teams.store import TeamStore

__all__ = ["TeamStore", "Teams"]
