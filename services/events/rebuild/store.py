"""The statements of a rebuild, filled in for a schema and a table."""

from dataclasses import dataclass

from libs.postgres import load_queries

SQL = load_queries("services.events.rebuild")


@dataclass(frozen=True, slots=True)
class ProjectionTable:
    """One table: its name, the key of a row, and its columns."""

    name: str
    key: str
    columns: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether its rows have ranks that are unique among siblings."""
        return "rank" in self.columns

    @property
    def project(self) -> str:
        """The column that names a row's project."""
        return "project_id" if "project_id" in self.columns else self.key


def rebuild_statement(name: str, schema: str, table: ProjectionTable | None = None) -> str:
    """Return a statement with its names filled in."""
    text: str = getattr(SQL, name)
    if table is None:
        return text.replace("{schema}", schema)
    return (
        text.replace("{schema}", schema)
        .replace("{table}", table.name)
        .replace("{key}", table.key)
        .replace("{project}", table.project)
        .replace("{columns}", ", ".join(table.columns))
        .replace("{ours}", ", ".join(f"l.{name}" for name in table.columns))
        .replace("{theirs}", ", ".join(f"s.{name}" for name in table.columns))
    )
