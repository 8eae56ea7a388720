"""The statements of retention."""

from libs.postgres import load_queries

SQL = load_queries("services.events.retention")
