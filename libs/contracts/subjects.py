"""Every NATS subject, and which service may use it."""

from dataclasses import dataclass
from uuid import UUID

RPC = "rpc"
FACTS = "scriptorium.v1"
DEAD_LETTERS = "dlq"


REVIEW_FACTS = f"{FACTS}.collab.>"
"""All that is announced of threads and anchors."""
EVENT_FACTS = f"{FACTS}.events.>"
"""All that events announces."""
SCENES_PURGED = f"{FACTS}.events.scene.purged.>"
PURGES_CONSUMER = "collab-purges"
"""The durable consumer by which collab hears of them."""


def fact(service: str, aggregate: str, action: str, project_id: UUID) -> str:
    """Subject of a domain event: `scriptorium.v1.<service>.<aggregate>.<action>.<projectId>`."""
    return f"{FACTS}.{service}.{aggregate}.{action}.{project_id}"


TEXTS_CHANGED = "texts.changed.*"
TEXTS_CONSUMER = "indexer-texts"
"""The durable consumer by which the indexer hears of changed texts."""
FACTS_CONSUMER = "indexer-events"
"""The one by which it hears of everything else."""


RUN_FACTS = f"{FACTS}.ai.>"
"""All that is announced of runs."""
AI_PURGES = f"{FACTS}.events.*.purged.>"
AI_PURGES_CONSUMER = "ai-purges"
"""The durable consumer by which the ai service hears of what is purged."""
RUN_QUEUED = "ai.queued"
"""That a run waits for a worker."""
RUN_CANCELLED = "ai.cancelled"
"""That a run is to end; the body is its id."""


def run_told(run_id: UUID) -> str:
    """Subject of the message that something happened to a run."""
    return f"ai.told.{run_id.hex}"


def text_changed(scene_id: UUID) -> str:
    """Subject of the notice that the text of a scene changed."""
    return f"texts.changed.{scene_id.hex}"


def replay(consumer: str) -> str:
    """Return the subject on which a dead letter is sent once more, to its consumer alone."""
    return f"replay.{consumer}"


# Live editing (core NATS, binary frames; layouts in libs.contracts.collab.frames).
HEARTBEAT = "live.beat"
SYNC_ANY = "live.any.sync"
HEADS = "live.any.heads"
RANGE = "live.any.range"


def edit(replica: str) -> str:
    """Edits for one collab replica."""
    return f"live.edit.{replica}"


def sync(replica: str) -> str:
    """Joins for one collab replica; `SYNC_ANY` is the queue group to fall back on."""
    return f"live.sync.{replica}"


def ack(gateway: str) -> str:
    """Acknowledgements for one gateway."""
    return f"live.ack.{gateway}"


def reply(gateway: str) -> str:
    """Answers to a gateway's sync, heads and range requests."""
    return f"live.reply.{gateway}"


def room(scene_id: UUID) -> str:
    """Everything that gateways hosting a scene listen to: one subscription a room."""
    return f"live.scene.{scene_id.hex}.*"


def scene(scene_id: UUID) -> str:
    """Committed updates of a scene, for the gateways that host it."""
    return f"live.scene.{scene_id.hex}.log"


def awareness(scene_id: UUID) -> str:
    """Presence in a scene, between gateways."""
    return f"live.scene.{scene_id.hex}.aware"


def inbox(service: str) -> str:
    """Return the prefix of a service's reply inboxes, to which only that service may subscribe."""
    return f"_INBOX_{service}"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The subjects to which a NATS user may publish and subscribe; others are refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


_JETSTREAM = ("$JS.API.INFO", "$JS.ACK.>")


def _consuming(stream: str, consumer: str, subject: str) -> tuple[str, ...]:
    """Return the subjects of a service that has one consumer of a stream, and none but that."""
    return (
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}",
        f"$JS.API.CONSUMER.CREATE.{stream}.{consumer}.{subject}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"$JS.ACK.{stream}.{consumer}.>",
        f"dlq.{consumer}.>",
    )


NATS_PERMISSIONS: dict[str, Permissions] = {
    "gateway": Permissions(
        publish=(
            "rpc.events.>",
            "rpc.collab.>",
            "rpc.blobs.>",
            "rpc.indexer.>",
            "rpc.ai.>",
            "live.edit.*",
            "live.sync.*",
            "live.any.*",
            "live.scene.*.aware",
            "limits.>",
            "$KV.permissions.>",
            "$JS.API.STREAM.INFO.KV_permissions",
            "$JS.API.STREAM.MSG.GET.KV_permissions",
            "$JS.API.DIRECT.GET.KV_permissions.>",
            "$JS.API.STREAM.INFO.LIMITS",
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.NAMES",
            "$JS.API.CONSUMER.*.EVENTS.>",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.>",
            "dlq.>",
            "_INBOX_operator.>",
            *_JETSTREAM,
        ),
        subscribe=(
            "_INBOX_gateway.>",
            "replay.*",
            "live.ack.*",
            "live.reply.>",
            "live.scene.>",
            "live.beat",
            "scriptorium.v1.events.>",
            "scriptorium.v1.collab.>",
            "ai.told.*",
        ),
    ),
    "collab": Permissions(
        publish=(
            "scriptorium.v1.collab.>",
            "$JS.API.STREAM.INFO.COLLAB",
            TEXTS_CHANGED,
            "live.scene.*.log",
            "live.ack.*",
            "live.reply.>",
            "live.beat",
            "rpc.events.editors_of_scenes",
            "_INBOX_gateway.>",
            "_INBOX_events.>",
            "_INBOX_indexer.>",
            "_INBOX_ai.>",
            "_INBOX_operator.>",
            "rpc.events.record_word_counts",
            # Refactors: what they rename, and the bundle of fields that goes with the texts.
            "rpc.events.read_tree",
            "rpc.events.read",
            "rpc.events.list",
            "rpc.events.commit_bundle",
            "rpc.events.undo_bundle",
            # Its one consumer of facts, and none but that.
            f"$JS.API.CONSUMER.INFO.EVENTS.{PURGES_CONSUMER}",
            f"$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.{PURGES_CONSUMER}",
            f"$JS.API.CONSUMER.CREATE.EVENTS.{PURGES_CONSUMER}.{SCENES_PURGED}",
            f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{PURGES_CONSUMER}",
            f"$JS.ACK.EVENTS.{PURGES_CONSUMER}.>",
            f"dlq.{PURGES_CONSUMER}.>",
        ),
        subscribe=(
            "_INBOX_collab.>",
            "live.edit.*",
            "live.sync.*",
            "live.any.*",
            "rpc.collab.>",
            f"replay.{PURGES_CONSUMER}",
        ),
    ),
    "events": Permissions(
        publish=(
            "scriptorium.v1.events.>",
            "rpc.collab.take_text",
            "rpc.collab.plant_text",
            "rpc.collab.take_conversation",
            "rpc.collab.plant_conversation",
            "rpc.blobs.copy_blob",
            "rpc.blobs.claim_blob",
            "rpc.blobs.release_blobs",
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.NAMES",
            "_INBOX_gateway.>",
            "_INBOX_collab.>",
            "_INBOX_blobs.>",
            "_INBOX_indexer.>",
            "_INBOX_ai.>",
            "_INBOX_operator.>",
            *_JETSTREAM,
        ),
        subscribe=("_INBOX_events.>", "rpc.events.>"),
    ),
    "blobs": Permissions(
        publish=(
            "scriptorium.v1.blobs.>",
            "rpc.events.settle_claim",
            "rpc.events.list_files",
            "$JS.API.STREAM.INFO.BLOBS",
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.NAMES",
            "$JS.API.CONSUMER.*.EVENTS.>",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.>",
            "dlq.>",
            "_INBOX_gateway.>",
            "_INBOX_events.>",
            "_INBOX_operator.>",
            *_JETSTREAM,
        ),
        subscribe=("_INBOX_blobs.>", "rpc.blobs.>", "replay.*"),
    ),
    "indexer": Permissions(
        publish=(
            "rpc.events.describe_things",
            "rpc.events.list_tagged",
            "rpc.events.list_things",
            "rpc.collab.read_passages",
            "$JS.API.INFO",
            *_consuming("EVENTS", FACTS_CONSUMER, EVENT_FACTS),
            *_consuming("TEXTS", TEXTS_CONSUMER, TEXTS_CHANGED),
            "_INBOX_gateway.>",
            "_INBOX_operator.>",
        ),
        subscribe=(
            "_INBOX_indexer.>",
            "rpc.indexer.>",
            f"replay.{FACTS_CONSUMER}",
            f"replay.{TEXTS_CONSUMER}",
        ),
    ),
    "ai": Permissions(
        publish=(
            "scriptorium.v1.ai.>",
            "$JS.API.INFO",
            "$JS.API.STREAM.INFO.AI",
            *_consuming("EVENTS", AI_PURGES_CONSUMER, AI_PURGES),
            # What a run reads: texts, their order, and the story bible.
            "rpc.events.read_tree",
            "rpc.events.list",
            "rpc.collab.read_passages",
            RUN_QUEUED,
            RUN_CANCELLED,
            "ai.told.*",
            "_INBOX_gateway.>",
            "_INBOX_operator.>",
        ),
        subscribe=(
            "_INBOX_ai.>",
            "rpc.ai.>",
            RUN_QUEUED,
            RUN_CANCELLED,
            f"replay.{AI_PURGES_CONSUMER}",
        ),
    ),
}

SUBSCRIBER = "subscriber"
"""A system inside that hears all events; each further one gets a name and a user of its own."""


def subscriber_permissions(name: str) -> Permissions:
    """Return the permissions of a system that consumes events with the durable consumer *name*.

    It can neither see nor stop another's consumer, and its dead letters are under its own name.
    It makes no consumer: where one delivers is in the body of the request, which permissions do not
    read, so that it could let the server send messages to any subject. `libs.bus.declare` makes one
    for it, which is pulled from.
    """
    streams = ("EVENTS", "COLLAB", "AI")
    return Permissions(
        publish=(
            "$JS.API.INFO",
            *(f"$JS.API.STREAM.INFO.{stream}" for stream in streams),
            *(f"$JS.API.CONSUMER.INFO.{stream}.{name}" for stream in streams),
            *(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}" for stream in streams),
            *(f"$JS.ACK.{stream}.{name}.>" for stream in streams),
            f"dlq.{name}.>",
            # Answers to a replay of its dead letters.
            "_INBOX_operator.>",
        ),
        subscribe=(f"{inbox(name)}.>", f"replay.{name}"),
    )


OPERATOR = "operator"
"""The user of those who run the system, on its command line."""

OPERATOR_PERMISSIONS = Permissions(
    publish=(
        "rpc.collab.>",
        "rpc.events.>",
        "rpc.blobs.>",
        "rpc.indexer.>",
        "rpc.ai.>",
        "replay.*",
        "$JS.API.STREAM.INFO.DEAD_LETTERS",
        "$JS.API.DIRECT.GET.DEAD_LETTERS",
        "$JS.API.STREAM.MSG.DELETE.DEAD_LETTERS",
    ),
    subscribe=("_INBOX_operator.>",),
)
"""The operator may send every request and handle dead letters, one at a time, but can neither write
nor read another stream, and sees no edits of people."""
