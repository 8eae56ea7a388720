"""SQL lives in `queries.sql` beside the store that speaks it.

The format: `-- name: <identifier>` starts a query; comment lines directly below describe it and
stay part of the statement, so that they show in the server's log too.
"""

import re
from collections.abc import Iterator
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The statements of one file, as attributes."""

    def __init__(self, source: str, statements: dict[str, str]) -> None:
        """Keep the statements and where they came from."""
        self._source = source
        self._statements = statements

    def __getattr__(self, name: str) -> str:
        """Return the statement called *name*.

        Raises:
            AttributeError: The file has no such query.
        """
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no query named {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._statements)


def load_queries(package: str) -> Queries:
    """Read `queries.sql` of *package*.

    Raises:
        ValueError: A query is empty or its name is given twice.
    """
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    statements: dict[str, str] = {}
    parts = _NAME.split(text)[1:]
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements or not body.strip():
            raise ValueError(f"{package}/queries.sql: query {name!r} is empty or given twice")
        statements[name] = body.strip().rstrip(";")
    return Queries(f"{package}/queries.sql", statements)
