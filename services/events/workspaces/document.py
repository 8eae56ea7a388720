"""The state of a project as lines of JSON without ids: encoded from rows, decoded into items.

Each line is one thing: its `kind`, its number as `id`, the number of its parent as `parent`, the
`fields` that a client would create it with, the fields that no client sets as `derived`, and its
`file`. A reference is the number of its target. Kinds come in the order of AGGREGATES and numbers
run on through all of them, so that the counts of kinds give the kind of a number, and every line
can be decoded on its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, cast
from uuid import UUID

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from libs import errors
from libs.contracts import names
from libs.contracts.events.world import PREVIEW_CHARS_MAX
from libs.contracts.values import Moment, name_key
from libs.contracts.wire import camel
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import ENTITY, PROJECT
from services.events.model.part import Part
from services.events.workspaces.numbering import KINDS, Numbering
from services.events.workspaces.package_file import PackageFile

LEFT_BEHIND = frozenset({"file"})
"""Parts that are not among the fields of a document: a file has a member of its own."""

_DERIVED: Mapping[str, TypeAdapter[Any]] = {
    "preview": TypeAdapter(
        Annotated[str, StringConstraints(max_length=PREVIEW_CHARS_MAX, pattern=r"^[^\x00]*$")]
    ),
    "task_completed_at": TypeAdapter(Moment),
    "word_count": TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]),
}
"""Fields that no client sets and a copy keeps, with the types of their values."""

_NAMES = frozenset({"name", "title", "aliases"})
"""Fields of any kind that are names."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class PackageItem:
    """One thing of a document.

    Args:
        about: Its kind.
        number: Its number.
        above: The number of its parent; None for the project.
        fields: Its fields, flat and as JSON; references are `placeholder` ids.
        file: Its file, if it has one.
    """

    spec: AggregateSpec
    number: int
    above: int | None
    fields: dict[str, Any]
    file: PackageFile | None = None

    def references(self) -> Iterable[tuple[str, int]]:
        """Yield the fields that are references, with the numbers of their targets."""
        for name in self.spec.references:
            if self.fields.get(name) is not None:
                yield name, UUID(self.fields[name]).int


def placeholder(number: int) -> str:
    """Return the placeholder for the id of a number, until that id is known."""
    return str(UUID(int=number))


def encode_line(
    spec: AggregateSpec, row: Row, number: int, numbers: Mapping[UUID, int]
) -> bytes | None:
    """Encode a row; None when a required reference is not in the document.

    Args:
        spec: Its kind.
        row: The row, as read from its view.
        number: Its number.
        numbers: The numbers of all rows before it.
    """
    flat = {name: spec.plain(name, row[name]) for name in spec.fields}
    for name in spec.references:
        flat[name] = numbers.get(row[name]) if row[name] is not None else None
        if flat[name] is None and _is_required(spec, name):
            return None
    said: dict[str, Any] = {"kind": spec.kind, "id": number}
    if spec.ordered and spec.parent != PROJECT.kind:
        if (above := numbers.get(row["parent_id"])) is None:
            return None
        said["parent"] = above
    parts = {part.name: part for part in spec.parts}
    said["fields"] = {
        camel(name): _part(parts[name], row, flat) if name in parts else flat[name]
        for name in spec.create.model_fields
    }
    derived = {camel(name): flat[name] for name in _derived(spec) if flat[name] not in (None, 0)}
    if derived:
        said["derived"] = derived
    if file := PackageFile.of(spec, row):
        said["file"] = file.model_dump(mode="json", exclude_none=True)
    return _ENCODER.encode(said).encode() + b"\n"


def decode_line(raw: bytes, number: int, numbering: Numbering, *, at: str) -> PackageItem:
    """Decode the line of thing *number*.

    Args:
        raw: The line.
        number: The number of the thing.
        numbering: The numbering of the document.
        at: The time, as JSON, for fields that follow from others.

    Raises:
        errors.Invalid: The line is malformed; the error says where and why.
        errors.Unknown: The line has a kind or a field that is not known here.
    """
    said = _object(raw, number)
    spec = _kind(said.pop("kind", None), said.pop("id", None), number, numbering)
    above: int | None = None
    if spec.ordered and spec.parent != PROJECT.kind:
        above = _number(said.pop("parent", None), str(spec.parent), number, numbering, "parent")
    derived = _members(said.pop("derived", {}), number, "derived")
    given = _members(said.pop("fields", None), number, "fields")
    file = PackageFile.read(spec, said.pop("file"), number) if "file" in said else None
    if said:
        raise _unknown(number, min(said))
    for name, kind in spec.references.items():
        _replace(given, spec.path_of(name), kind, number, numbering)
    _clean_names(given)
    if spec is ENTITY:
        given = _without_spellings(given)
    try:
        fields = spec.initial(given, at=at)
    except errors.Invalid as error:
        raise type(error)(f"thing {number}: {error.detail}", at=number, **error.data) from None
    fields |= _derived_of(spec, derived, fields, number)
    return PackageItem(spec, number, above, fields, file)


def _without_spellings(given: dict[str, Any]) -> dict[str, Any]:
    """Return fields without aliases that are another spelling of an earlier alias.

    Earlier releases accepted both, and every existing project can be copied.
    """
    aliases: Any = given.get("aliases")
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):  # pyright: ignore[reportUnknownVariableType]
        return given
    kept: dict[str, str] = {}
    for alias in cast("list[str]", aliases):
        first = kept.setdefault(name_key(alias), alias)
        if first.casefold() == alias.casefold() and first is not alias:
            return given  # exact duplicates were never accepted
    return given | {"aliases": [*kept.values()]}


def _clean_names(given: dict[str, Any]) -> None:
    """Remove overrides of direction from names that were given before they were refused."""
    for member in _NAMES & given.keys():
        value = given[member]
        if isinstance(value, str):
            given[member] = names.cleaned(value)
        elif isinstance(value, list):
            several = cast("list[Any]", value)
            given[member] = [names.cleaned(n) if isinstance(n, str) else n for n in several]


def _is_required(spec: AggregateSpec, name: str) -> bool:
    field = spec.create.model_fields.get(name)
    return field is not None and field.is_required()


def _derived(spec: AggregateSpec) -> tuple[str, ...]:
    """Return the fields that no client sets and a document holds."""
    of_parts = (
        part.columns[name]
        for part in spec.parts
        if part.name not in LEFT_BEHIND
        for name in part.derived
    )
    return tuple(name for name in (*spec.derived, *of_parts) if name in _DERIVED)


def _part(part: Part, row: Row, flat: Mapping[str, Any]) -> dict[str, Any] | None:
    if not part.belongs_to(row):
        return None
    given = part.given.model_fields if part.given else ()
    shown = {camel(name): flat[part.columns[name]] for name in given}
    if not part.table and all(value is None for value in shown.values()):
        return None
    return shown


def _object(raw: bytes, number: int) -> dict[str, Any]:
    try:
        said: Any = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _wrong(number, "line", "is not JSON") from None
    return _members(said, number, "line")


def _members(value: Any, number: int, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(number, field, "is not an object")
    return cast("dict[str, Any]", value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _kind(kind: Any, given: Any, number: int, numbering: Numbering) -> AggregateSpec:
    spec = numbering.kind_of(number)
    if kind not in [each.kind for each in KINDS]:
        raise _unknown(number, "kind")
    if spec is None or kind != spec.kind:
        raise _wrong(number, "kind", "does not agree with the counts in the first line")
    if given != number or type(given) is not int:
        raise _wrong(number, "id", f"is not {number}")
    return spec


def _number(value: Any, kind: str, number: int, numbering: Numbering, field: str) -> int:
    known = isinstance(value, int) and not isinstance(value, bool)
    if not known or value not in numbering.ranges[kind] or value >= number:
        raise _wrong(number, field, f"is not the number of a {kind} before it")
    return value


def _replace(said: dict[str, Any], path: str, kind: str, number: int, numbering: Numbering) -> None:
    """Put the placeholder of a reference where its number is."""
    *above, last = path.split(".")
    place: Any = said
    for name in above:
        place = place.get(name) if isinstance(place, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(place, dict) or place.get(last) is None:  # pyright: ignore[reportUnknownMemberType]
        return  # the model refuses a missing required field
    if kind not in numbering.ranges:
        raise _wrong(number, path, f"a {kind} is not in a document")
    place[last] = UUID(int=_number(place[last], kind, number, numbering, path))


def _derived_of(
    spec: AggregateSpec, given: Mapping[str, Any], fields: Mapping[str, Any], number: int
) -> dict[str, Any]:
    known = {camel(name): name for name in _derived(spec)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise _unknown(number, f"derived.{name}")
        own = known[name]
        if own not in spec.derived and fields[own] is None:
            continue  # its condition does not hold: an open task has no time of completion
        try:
            adapter = _DERIVED[own]
            found[own] = adapter.dump_python(adapter.validate_python(value), mode="json")
        except ValidationError:
            raise _wrong(number, f"derived.{name}", "does not have the required form") from None
    return found


def _wrong(number: int, field: str, detail: str) -> errors.Invalid:
    return errors.Invalid(
        f"thing {number}: {field}: {detail}",
        at=number,
        errors=[{"field": field, "detail": detail}],
    )


def _unknown(number: int, field: str) -> errors.Unknown:
    return errors.Unknown(
        f"thing {number}: {field}: is not known here",
        at=number,
        errors=[{"field": field, "detail": "is not known here"}],
    )
