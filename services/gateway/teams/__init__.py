"""Teams: who is in which, and how every gateway hears of a change."""

from services.gateway.teams.model import Teams
from services.gateway.teams.store import TeamStore

__all__ = ["TeamStore", "Teams"]
