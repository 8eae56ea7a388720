"""The statements that need TimescaleDB."""

from libs.postgres import load_queries

SQL = load_queries("services.events.timescale")
