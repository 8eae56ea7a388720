"""The statements that read the feed of a project."""

from libs.postgres import load_queries

SQL = load_queries("services.events.following")
