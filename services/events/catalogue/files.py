"""The documents as files: their texts, and the changes that are not allowed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.events.catalogue.asyncapi import asyncapi
from services.events.catalogue.compatibility import breaking
from services.events.catalogue.schemas import document, file_name
from services.events.catalogue.types import EventType, announced_types

DOCS = Path(__file__).parents[3] / "docs"
ASYNCAPI = "asyncapi.json"
SCHEMAS = "schemas"


def wanted(types: Sequence[EventType] | None = None) -> dict[str, str]:
    """Return the wanted text of each file, by its path in the folder of documents."""
    types = announced_types() if types is None else types
    found = {f"{SCHEMAS}/{file_name(each.name)}": _text(document(each)) for each in types}
    return {ASYNCAPI: _text(asyncapi(types)), **found}


def there(folder: Path = DOCS) -> dict[str, str]:
    """Return the current text of each file."""
    paths = [folder / ASYNCAPI, *sorted((folder / SCHEMAS).glob("*.json"))]
    return {str(each.relative_to(folder)): each.read_text() for each in paths if each.exists()}


def objections(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return the changes from the files *old* to the files *new* that break subscribers."""
    found: list[str] = []
    for path, text in sorted(old.items()):
        if path == ASYNCAPI:
            continue
        if path not in new:
            found.append(f"{path}: an event type may not vanish; the log still has its events")
            continue
        said = breaking(json.loads(text), json.loads(new[path]))
        found += [f"{path}: {each}" for each in said]
    return found


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
