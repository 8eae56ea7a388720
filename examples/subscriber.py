"""Copies every event into SQLite, once each, whatever happens: python subscriber.py FILE.

SCRIPTORIUM_NATS_URL names the bus and this system's user there. `python -m libs.bus.declare` made
the durable consumer of that name, and the server remembers how far it has come; what comes twice is
known by its id, and noted with its effect.
"""

import asyncio
import json
import os
import sqlite3
import sys

import nats
import nats.errors
import nats.js.errors

NAME = "subscriber"


async def main(path: str) -> None:
    """Run until stopped."""
    table = sqlite3.connect(path, isolation_level=None)  # each statement commits by itself
    table.execute("CREATE TABLE IF NOT EXISTS events (id PRIMARY KEY, position INT, type, data)")
    url, inbox = os.environ["SCRIPTORIUM_NATS_URL"], f"_INBOX_{NAME}".encode()
    client = await nats.connect(url, inbox_prefix=inbox, max_reconnect_attempts=-1)
    jetstream = client.jetstream()
    facts = await jetstream.pull_subscribe_bind(consumer=NAME, stream="EVENTS")
    while True:
        try:
            messages = await facts.fetch(100, timeout=5)
        except (nats.errors.Error, nats.js.errors.Error):  # nothing new, or the bus is away
            await asyncio.sleep(0.1)
            continue
        for message in messages:
            try:
                said = json.loads(message.data)
                event = said["event"]
                row = (event["id"], said["position"], event["eventType"], json.dumps(event["data"]))
            except (ValueError, KeyError) as error:  # no retry can help: a person decides
                cause = {"scriptorium-cause": repr(error), "scriptorium-subscriber": NAME}
                dead = f"dlq.{NAME}.{message.subject}"
                await jetstream.publish(dead, message.data, headers=cause)
                await message.term()
            else:
                table.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", row)
                await message.ack()  # only now: a crash before this brings it again


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
