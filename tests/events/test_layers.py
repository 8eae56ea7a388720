"""SQL of the events service stays where it is looked for; import-linter keeps the other layers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "services" / "events"
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|ALTER|DROP)\s", re.DOTALL
)
PLAIN = {"SELECT 1", "SELECT pg_advisory_xact_lock($1)"}
"""Statements about no table: is the database there, and is this the only migration."""


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Every module, with the folder that is its area; modules beside them belong to the store."""
    for path in sorted(SERVICE.rglob("*.py")):
        place = path.relative_to(SERVICE)
        area = place.parts[0] if len(place.parts) > 1 else "store"
        yield str(place), area, ast.parse(path.read_text())


def test_statements_are_loaded_by_stores_and_run_by_their_own_area() -> None:
    """A statement of another area is asked for by a function of its store."""
    for module, area, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "load_queries":
                assert "store" in module, f"{module} loads statements and is no store"
            if isinstance(node, ast.ImportFrom) and "SQL" in [each.name for each in node.names]:
                _, _, owner, *more = str(node.module).split(".")
                assert owner == area, f"{module} runs statements of {owner}"
                assert owner == "store" or more == ["store"], f"{module}: {node.module} is no store"


def test_no_statement_is_written_in_code() -> None:
    """It would not be found beside the others, nor carry its reason."""
    for module, _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written = STATEMENT.match(node.value) and node.value not in PLAIN
                assert not written, f"{module}: {node.value[:80]!r}"
