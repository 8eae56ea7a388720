"""All of the review in one place: anchors, threads, and what is announced of them."""

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import Relay, serve
from libs.contracts.collab.anchors import CREATE_ANCHOR, CREATE_ANCHORS, READ_ANCHOR, READ_ANCHORS
from libs.contracts.collab.branches import BEGIN_SUGGESTING
from libs.contracts.collab.conversations import PLANT_CONVERSATION, TAKE_CONVERSATION
from libs.contracts.collab.facts import FOLLOW_FACTS
from libs.contracts.collab.patches import (
    CREATE_PATCH,
    DECIDE_PATCH,
    DELETE_PATCH,
    LIST_PATCHES,
    READ_PATCH,
    RESTORE_PATCH,
)
from libs.contracts.collab.suggestions import (
    CREATE_SUGGESTION,
    DECIDE_SUGGESTION,
    LIST_SUGGESTIONS,
    READ_SUGGESTION,
)
from libs.contracts.streams import COLLAB
from libs.postgres import Pool
from libs.tasks import PeriodicTask
from services.collab.commits import Commits
from services.collab.editors import SceneEditors
from services.collab.history.past import Past
from services.collab.history.records import Records
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.follower import AnchorFollower
from services.collab.review.anchors.handlers import AnchorHandlers
from services.collab.review.anchors.store import AnchorStore
from services.collab.review.copies.planting import ConversationWriter
from services.collab.review.copies.taking import ConversationReader
from services.collab.review.feed.feed import Feed
from services.collab.review.hunks.writing import Writer
from services.collab.review.moves import Moves
from services.collab.review.patches.deciding import Decider
from services.collab.review.patches.handlers import Patches
from services.collab.review.patches.store import PatchStore
from services.collab.review.refactors.serving import RefactorRoom
from services.collab.review.suggesting.follower import SuggestingFollower
from services.collab.review.suggesting.handlers import SuggestingHandlers
from services.collab.review.suggesting.store import SuggestingStore
from services.collab.review.suggestions.handlers import Suggestions
from services.collab.review.threads.inbox import InboxHandlers
from services.collab.review.threads.serving import serve_inbox, serve_threads
from services.collab.review.threads.store import ThreadStore
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.store import Store
from services.collab.workers import Workers


class Room:
    """Wires the review, and names its handlers and tasks."""

    def __init__(
        self,
        pool: Pool,
        client: Client,
        store: Store,
        scenes: Scenes,
        editors: SceneEditors,
        *,
        commits: Commits,
        workers: Workers,
        settings: CollabSettings,
    ) -> None:
        """Read documents in *workers*, and announce over *client*."""
        self._pool = pool
        records = Records(pool)
        anchor_store = AnchorStore(pool)
        past = Past(records, store, scenes, workers)
        self.anchors = Anchors(anchor_store, records, past, scenes, workers)
        self.follower = AnchorFollower(self.anchors, anchor_store, duty=settings.anchors_duty)
        self._threads = ThreadStore(pool)
        self._inbox = InboxHandlers(self._threads)
        writer = Writer(pool, records=records, scenes=scenes, commits=commits)
        self._suggestions = Suggestions(pool, self.anchors, writer=writer, workers=workers)
        self._refactors = RefactorRoom(
            pool, client, self.anchors, editors, writer=writer, commits=commits, workers=workers
        )
        suggesting = SuggestingStore(pool, self.anchors)
        self.suggesting = SuggestingFollower(
            suggesting,
            scenes,
            editors,
            commits=commits,
            workers=workers,
            duty=settings.anchors_duty,
        )
        self._suggestions.on_decided.append(self.suggesting.decided)
        self._suggesting = SuggestingHandlers(suggesting, past, self.suggesting)
        patches = PatchStore(pool, self.anchors)
        decider = Decider(patches, self.anchors, writer=writer, workers=workers)
        self._patches = Patches(patches, self.anchors, records, decider)
        self._reader = ConversationReader(pool, self.anchors)
        self._conversations = ConversationWriter(pool, scenes, workers)
        self._feed = Feed(pool)
        self._moves = Moves(pool, self.anchors, editors)
        self.anchors.on_moved.append(self._moves.note)
        self.relay = Relay(pool, client, service="collab", stream=COLLAB)
        """Runs as long as the process does."""

    def serve(self, broker: NatsBroker) -> None:
        """Answer everything about the review."""
        anchoring = AnchorHandlers(self._pool, self.anchors, AnchorStore(self._pool))
        serve(broker, CREATE_ANCHORS, anchoring.create)
        serve(broker, READ_ANCHORS, anchoring.read)
        serve(broker, CREATE_ANCHOR, anchoring.create_one)
        serve(broker, READ_ANCHOR, anchoring.read_one)
        serve_threads(broker, self._threads, self.anchors)
        serve_inbox(broker, self._inbox)
        serve(broker, CREATE_SUGGESTION, self._suggestions.create)
        serve(broker, LIST_SUGGESTIONS, self._suggestions.list)
        serve(broker, READ_SUGGESTION, self._suggestions.read)
        serve(broker, DECIDE_SUGGESTION, self._suggestions.decide)
        self._refactors.serve(broker)
        serve(broker, BEGIN_SUGGESTING, self._suggesting.begin)
        serve(broker, CREATE_PATCH, self._patches.create)
        serve(broker, LIST_PATCHES, self._patches.list)
        serve(broker, READ_PATCH, self._patches.read)
        serve(broker, DECIDE_PATCH, self._patches.decide)
        serve(broker, DELETE_PATCH, self._patches.delete)
        serve(broker, RESTORE_PATCH, self._patches.restore)
        serve(broker, TAKE_CONVERSATION, self._reader.take)
        serve(broker, PLANT_CONVERSATION, self._conversations.plant)
        serve(broker, FOLLOW_FACTS, self._feed.follow)

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        followed = (self.follower.task, self.follower.walk)
        suggesting = (self.suggesting.task, self.suggesting.walk)
        return [
            *followed,
            *suggesting,
            self.relay.measuring,
            self._feed.task,
            self._moves.task,
            self._inbox.task,
            self._refactors.worker.task,
        ]
