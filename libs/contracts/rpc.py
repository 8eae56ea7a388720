"""Queries and commands as data: one `Method` names a subject, its request and its answer."""

from dataclasses import dataclass

from libs.contracts.wire import Wire

DEADLINE_S_DEFAULT = 5.0


@dataclass(frozen=True, slots=True)
class Method[Q: Wire, A: Wire]:
    """A typed request and its typed answer, served by one service's queue group."""

    service: str
    name: str
    question: type[Q]
    answer: type[A]

    @property
    def subject(self) -> str:
        """The subject of its requests: `rpc.<service>.<name>`."""
        return f"rpc.{self.service}.{self.name}"
