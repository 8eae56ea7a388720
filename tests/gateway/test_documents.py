"""The OpenAPI document: it says what everything means, and is sent small."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import zstandard

from services.gateway.http.document import Document, coding_of
from services.gateway.http.field_descriptions import describe
from tests.gateway.support import Json

OPENAPI = "/api/openapi.json"
NAMES = Path(__file__).with_name("operations.txt")


@pytest.fixture(scope="module")
async def document(http: httpx.AsyncClient) -> Json:
    return (await http.get(OPENAPI)).json()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


class TestDescriptions:
    async def test_every_field_and_parameter_says_what_it_means(self, document: Json):
        """When this fails: services/gateway/http/fields.toml, or `Field(description=...)`."""
        silent = [
            f"{model}.{name}"
            for model, schema in document["components"]["schemas"].items()
            for name, field in schema.get("properties", {}).items()
            if not field.get("description")
        ]
        silent += [
            f"{method} {path}: {each['name']}"
            for method, path, operation in operations(document)
            for each in operation["parameters"]
            if not each.get("description")
        ]

        assert silent == []

    def test_a_model_has_the_first_word(self):
        """And nothing is said of null where there is none."""
        schemas: dict[str, Json] = {
            "Team": {
                "properties": {
                    "name": {"type": "string", "description": "Ours."},
                    "title": {"type": "string"},
                    "summary": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "nobody knows": {"type": "string"},
                }
            }
        }

        describe(schemas, iter(()))

        found = schemas["Team"]["properties"]
        assert found["name"]["description"] == "Ours."
        assert found["title"]["description"] == "Its title."
        assert found["summary"]["description"].endswith("; null for none.")
        assert "description" not in found["nobody knows"]


def examples(content: Json) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for each in content.get("examples", {}).values():
        yield each["value"]


class TestExamples:
    async def test_each_fits_its_schema(self, document: Json):
        """Who copies one is not refused for its form."""
        wrong: list[str] = []

        def check(where: str, contents: Json) -> None:
            for media_type, content in contents.items():
                schema = content["schema"] | {"components": document["components"]}
                validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                for example in examples(content):
                    wrong.extend(
                        f"{where} {media_type} {list(error.instance_path)}: {error.message}"
                        for error in validator.iter_errors(example)
                    )

        for method, path, operation in operations(document):
            where = f"{method} {path}"
            check(where, operation.get("requestBody", {}).get("content", {}))
            for status, answer in operation["responses"].items():
                check(f"{where} {status}", answer.get("content", {}))
        for name, answer in document["components"]["responses"].items():
            check(name, answer.get("content", {}))

        assert wrong == []


class TestNames:
    async def test_they_are_verbs_and_stay(self, document: Json):
        """Generated clients call their functions so: a name that was published is not changed."""
        found = [
            f"{operation['operationId']} {method} {path}"
            for method, path, operation in operations(document)
        ]

        assert sorted(found) == NAMES.read_text().splitlines()
        names = [line.partition(" ")[0] for line in found]
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", name) for name in names)
        assert {"createBook", "listScenes", "getTag", "updatePersona", "moveChapter"} <= set(names)


class TestTransfer:
    async def test_it_is_compressed_as_the_client_likes(self, http: httpx.AsyncClient):
        """800 KB of JSON are 8 times smaller on the wire, and not sent when they are known."""
        plain = await http.get(OPENAPI, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        for coding, unpack in (("gzip", gzip.decompress), ("zstd", unzstd)):
            request = http.build_request("GET", OPENAPI, headers={"Accept-Encoding": coding})
            answer = await http.send(request, stream=True)
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
            await answer.aclose()

            assert answer.headers["content-encoding"] == coding
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["etag"] == plain.headers["etag"]
            assert len(raw) * 8 < len(plain.content)
            assert unpack(raw) == plain.content
        known = await http.get(OPENAPI, headers={"If-None-Match": plain.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")

    @pytest.mark.parametrize(
        ("accepted", "coding"),
        [
            (None, ""),
            ("", ""),
            ("identity", ""),
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "zstd"),
            ("zstd;q=0.5, gzip", "gzip"),
            ("zstd;q=0, *", "gzip"),
            ("*", "zstd"),
            ("*;q=0", ""),
            ("gzip;q=0", ""),
            ("gzip;q=0.5, identity", ""),
            ("GZIP ; q=1", "gzip"),
            ("gzip;q=much", ""),
        ],
    )
    def test_the_best_that_is_accepted_is_chosen(self, accepted: str | None, coding: str):
        """RFC 9110, 12.5.3."""
        assert coding_of(accepted) == coding

    def test_the_tag_is_of_the_document(self):
        """Another document has another tag, in this process or in any."""
        one, two, same = (Document(body).tag for body in (b"{}", b"[]", b"{}"))
        assert one == same != two


def unzstd(raw: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
