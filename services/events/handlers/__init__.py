"""What the events service answers: all that it listens to, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.blobs import transfers as blobs
from libs.contracts.events import files, manuscript, story, teams, tree
from services.events.handlers.attachments import Attachments
from services.events.handlers.commands import Commands
from services.events.handlers.file_references import FileReferences
from services.events.handlers.grants import Grants
from services.events.handlers.members import Memberships
from services.events.handlers.reads import Reads
from services.events.handlers.story_bible import StoryBible
from services.events.store import Store


def subscribe(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `contracts.events.manuscript` and `files`, and what blobs asks."""
    commands, reads, members = Commands(store), Reads(store), Memberships(store)
    serve(broker, manuscript.CREATE, commands.create)
    serve(broker, manuscript.CHANGE, commands.change)
    serve(broker, manuscript.REMOVE, commands.remove)
    serve(broker, manuscript.RESTORE, commands.restore)
    serve(broker, manuscript.MOVE, commands.move)
    serve(broker, manuscript.READ, reads.read)
    serve(broker, manuscript.LIST, reads.list)
    serve(broker, manuscript.LIST_BOOK_SCENES, reads.list_book_scenes)
    serve(broker, manuscript.AUTHORIZE, reads.authorize)
    serve(broker, manuscript.EDITORS_OF_SCENES, reads.editors_of_scenes)
    serve(broker, tree.READ_TREE, reads.read_tree)
    bible = StoryBible(store)
    serve(broker, story.APPEARANCES_OF, bible.appearances_of)
    serve(broker, story.KNOWLEDGE_AT, bible.knowledge_at)
    serve(broker, manuscript.LIST_MEMBERS, members.list)
    serve(broker, manuscript.READ_MEMBER, members.read)
    serve(broker, manuscript.PUT_MEMBER, members.put)
    serve(broker, manuscript.REMOVE_MEMBER, members.remove)
    grants = Grants(store)
    serve(broker, teams.LIST_GRANTS, grants.list)
    serve(broker, teams.PUT_GRANT, grants.put)
    serve(broker, teams.REMOVE_GRANT, grants.remove)
    attachments = Attachments(store)
    serve(broker, files.CREATE_WITH_FILE, attachments.create)
    serve(broker, files.ATTACH_FILE, attachments.attach)
    serve(broker, files.DETACH_FILE, attachments.detach)
    serve(broker, blobs.SETTLE_CLAIM, attachments.settle)
    serve(broker, blobs.LIST_FILES, FileReferences(store).list)
