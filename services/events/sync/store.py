"""The statements about sessions, checkpoints and conflicts of offline peers."""

from libs.postgres import load_queries

SQL = load_queries("services.events.sync")
