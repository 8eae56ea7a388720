"""Descriptions of fields for the OpenAPI document: from `fields.toml`, unless the model has one.

The words stand beside the gateway and not under each field, because pydantic would read the source
of every model for them at each start of every process.
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

type Schema = dict[str, Any]


def describe(schemas: dict[str, Schema], parameters: Iterator[Schema]) -> None:
    """Describe the fields of *schemas*, which are models by name, and *parameters*, in place."""
    for model, schema in schemas.items():
        for name, field in schema.get("properties", {}).items():
            if "description" not in field and (words := description_of(name, model)):
                field["description"] = words if _may_be_null(field) else _without_null(words)
    for parameter in parameters:
        if "description" not in parameter and (words := description_of(parameter["name"])):
            parameter["description"] = words


def _may_be_null(field: Schema) -> bool:
    return {"type": "null"} in field.get("anyOf", []) or (
        "type" not in field and "$ref" not in field
    )


def _without_null(words: str) -> str:
    """Return a description without what null means, for a field that is never null."""
    before, found, _ = words.partition("; null ")
    return f"{before}." if found else words


def description_of(name: str, model: str = "") -> str | None:
    """Return what the field *name* means in *model*, or in general."""
    known = _known()
    return known["models"].get(model, {}).get(name) or known["fields"].get(name)


@cache
def _known() -> dict[str, Any]:
    file = resources.files("services.gateway.http").joinpath("fields.toml")
    return tomllib.loads(file.read_text("utf-8"))
