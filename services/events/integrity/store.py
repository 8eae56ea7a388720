"""The statements about corrupt events, withheld facts and the refill of the stream."""

from libs.postgres import load_queries

SQL = load_queries("services.events.integrity")
