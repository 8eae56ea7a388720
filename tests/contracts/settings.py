"""`python -m tests.contracts.settings`: write docs/settings.md and the list that `up` checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.process import ProcessSettings, allows_none
from services.ai.settings import Settings as Ai
from services.blobs.settings import Settings as Blobs
from services.collab.settings import CollabSettings as Collab
from services.events.settings import Settings as Events
from services.gateway.settings import Settings as Gateway
from services.indexer.settings import Settings as Indexer
from tools.stack.settings import DECIDED, PREFIX

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/settings.md"
NAMES = ROOT / "tools/stack/settings.txt"

SERVICES: dict[str, type[ProcessSettings]] = {
    "gateway": Gateway,
    "collab": Collab,
    "events": Events,
    "blobs": Blobs,
    "indexer": Indexer,
    "ai": Ai,
}

_BEFORE = """# Settings
Environment variables, the same everywhere. On one machine `scriptorium up` passes on those of its
own environment; what is to hold at every start stands in `settings.env` in the data directory
(`.scriptorium`), a line `NAME=value` each, and those of the environment win. A line of the file
that is no setting is refused, and a value that a service refuses ends it with a sentence. A dash
means that there is no default; what is marked with * `scriptorium up` decides itself.

None, never and for ever are said by an empty value, `NAME=`, in the environment as in the file. The
table says "empty" wherever that is possible.

Written by `python -m tests.contracts.settings`.
"""


def names() -> str:
    """All names, a line each."""
    found = {_name(name) for model in SERVICES.values() for name in model.model_fields}
    return "".join(f"{name}\n" for name in sorted(found))


def document() -> str:
    """The page."""
    parts = [_BEFORE, _section("All services", ProcessSettings.model_fields)]
    for service, model in SERVICES.items():
        own = {
            name: field
            for name, field in model.model_fields.items()
            if name not in ProcessSettings.model_fields
        }
        parts.append(_section(service.capitalize(), own))
    return "\n".join(parts)


def _section(title: str, fields: dict[str, FieldInfo]) -> str:
    return "\n".join([f"## {title}", "", "| | default | |", "|-|-|-|", *_rows(fields)]) + "\n"


def _rows(fields: dict[str, FieldInfo]) -> Iterator[str]:
    for name, field in sorted(fields.items()):
        mark = "*" if _name(name) in DECIDED else ""
        says = " ".join((field.description or "").split()).replace("|", "\\|")
        if _default(field) != "-" and allows_none(field) and "empty" not in says:
            says = f"{says} Empty: none.".strip()
        yield f"| `{_name(name)}`{mark} | {_default(field)} | {says} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=False)
    if value is PydanticUndefined or field.default_factory is not None:
        return "-"
    if value in (None, "", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value) if isinstance(value, int) else f"`{value}`"


def _name(field: str) -> str:
    return f"{PREFIX}{field}".upper()


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
    NAMES.write_text(names(), "utf-8")
