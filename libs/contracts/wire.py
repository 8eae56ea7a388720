"""The base of everything that crosses a process boundary as JSON."""

import json
from functools import lru_cache
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, model_validator
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
    """A message that distinguishes absent members from null."""

    def to_wire(self) -> bytes:
        """Encode as compact JSON, without absent members."""
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()


class Enveloped(Wire):
    """A flat request that travels as the release before this one knows it: partly inside a member.

    `envelope` names that member and the model of the fields inside it. Both forms are read, so
    that the next release can send the flat form.
    """

    envelope: ClassVar[tuple[str, type[Wire]]]

    @model_validator(mode="before")
    @classmethod
    def _open(cls, given: Any) -> Any:
        name, _ = cls.envelope
        if not isinstance(given, dict):
            return given
        whole = cast("dict[str, Any]", given)
        if not isinstance(whole.get(name), dict):
            return whole
        outside = {each: value for each, value in whole.items() if each != name}
        return outside | cast("dict[str, Any]", whole[name])

    def to_wire(self) -> bytes:
        """Encode as compact JSON, with the fields of the envelope inside it."""
        name, model = self.envelope
        outside: dict[str, Any] = json.loads(super().to_wire())
        names = map(camel, model.model_fields)
        inside = {each: outside.pop(each) for each in names if each in outside}
        whole = {**outside, name: inside}
        return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
