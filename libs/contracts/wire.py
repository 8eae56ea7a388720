"""The base of everything that crosses a process boundary as JSON."""

from functools import lru_cache

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


@lru_cache(maxsize=4096)
def camel(name: str) -> str:
    """Return what clients call a field: the same for all messages, and remembered."""
    return to_camel(name)


class Wire(BaseModel):
    """A frozen JSON value: camelCase outside, snake_case inside, unknown members refused."""

    model_config = ConfigDict(
        alias_generator=camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        # Processes know hundreds of messages and use few: each is prepared when it is first used.
        defer_build=True,
    )

    def to_wire(self) -> bytes:
        """Encode as compact JSON."""
        return self.model_dump_json(by_alias=True).encode()


class Sparse(Wire):
    """A message that keeps what was left out apart from what is null."""

    def to_wire(self) -> bytes:
        """Encode as compact JSON, without what was not given."""
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()
