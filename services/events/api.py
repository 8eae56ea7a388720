"""Every method that the events service answers, and the handler that answers it."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.blobs import transfers as blobs
from libs.contracts.events import (
    audit,
    bundles,
    files,
    following,
    integrity,
    lifecycle,
    manuscript,
    people,
    story,
    sync,
    teams,
    things,
    tree,
    word_counts,
    workspaces,
)
from libs.postgres import Pool
from services.events.audit.handlers import AuditHandlers
from services.events.bundles.handlers import BundleHandlers
from services.events.bundles.jobs import JobHandlers
from services.events.bundles.undoing import UndoHandlers
from services.events.catalogue.handlers import describe
from services.events.following.handlers import FeedHandlers
from services.events.integrity.operations import OperatorHandlers
from services.events.integrity.publish_filter import RefillHandlers
from services.events.integrity.quarantine import QuarantineHandlers
from services.events.lifecycle.archiving import ArchiveHandlers
from services.events.lifecycle.orders import PurgeOrders
from services.events.resources.commands import CommandHandlers
from services.events.resources.file_references import FileReferenceHandlers
from services.events.resources.files import FileHandlers
from services.events.resources.grants import GrantHandlers
from services.events.resources.members import MemberHandlers
from services.events.resources.reads import ReadHandlers
from services.events.resources.story_bible import StoryHandlers
from services.events.resources.word_counts import WordCountHandlers
from services.events.store import Store
from services.events.sync.pull import PullHandlers
from services.events.sync.push import PushHandlers
from services.events.sync.resolving import ResolutionHandlers
from services.events.things.handlers import ThingHandlers
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.handlers import WorkspaceJobHandlers
from services.events.workspaces.history import HistoryHandlers
from services.events.workspaces.library import LibraryHandlers
from services.events.workspaces.packages import PackageHandlers
from services.events.workspaces.templates import TemplateHandlers
from services.events.workspaces.worker import JobWorker


def serve_resources(broker: NatsBroker, store: Store, pool: Pool) -> None:
    """Answer requests about aggregates, members, grants and files, and requests of blobs."""
    commands, reads, members = CommandHandlers(store), ReadHandlers(store), MemberHandlers(store)
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
    serve(broker, word_counts.RECORD_WORD_COUNTS, WordCountHandlers(pool).record)
    serve(broker, tree.READ_TREE, reads.read_tree)
    story_bible = StoryHandlers(store)
    serve(broker, story.APPEARANCES_OF, story_bible.appearances_of)
    serve(broker, story.KNOWLEDGE_AT, story_bible.knowledge_at)
    serve(broker, manuscript.LIST_MEMBERS, members.list)
    serve(broker, manuscript.READ_MEMBER, members.read)
    serve(broker, people.REQUIRE_PEOPLE, members.require)
    serve(broker, manuscript.PUT_MEMBER, members.put)
    serve(broker, manuscript.REMOVE_MEMBER, members.remove)
    grants = GrantHandlers(store)
    serve(broker, teams.LIST_GRANTS, grants.list)
    serve(broker, teams.PUT_GRANT, grants.put)
    serve(broker, teams.REMOVE_GRANT, grants.remove)
    entity_files = FileHandlers(store)
    serve(broker, files.CREATE_WITH_FILE, entity_files.create)
    serve(broker, files.ATTACH_FILE, entity_files.attach)
    serve(broker, files.DETACH_FILE, entity_files.detach)
    serve(broker, blobs.SETTLE_CLAIM, entity_files.settle)
    serve(broker, blobs.LIST_FILES, FileReferenceHandlers(store).list)


def serve_bundles(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.bundles`."""
    requests, undo, jobs = BundleHandlers(store), UndoHandlers(store), JobHandlers(store)
    serve(broker, bundles.COMMIT, requests.commit)
    serve(broker, bundles.LIST_BUNDLES, requests.list)
    serve(broker, bundles.READ_BUNDLE, requests.read)
    serve(broker, bundles.WHERE_BUNDLE, requests.where)
    serve(broker, bundles.UNDO, undo.undo)
    serve(broker, bundles.REDO, undo.redo)
    serve(broker, bundles.CHERRY_PICK, undo.cherry_pick)
    serve(broker, bundles.STAGE, jobs.stage)
    serve(broker, bundles.COMMIT_JOB, jobs.commit)
    serve(broker, bundles.ABANDON_JOB, jobs.abandon)


def serve_sync(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.sync`."""
    pushes, pulls, resolutions = PushHandlers(store), PullHandlers(store), ResolutionHandlers(store)
    serve(broker, sync.PUSH, pushes.push)
    serve(broker, sync.RESUME, pushes.resume)
    serve(broker, sync.PULL, pulls.pull)
    serve(broker, sync.LIST_CONFLICTS, pulls.conflicts)
    serve(broker, sync.RESOLVE, resolutions.resolve)


def serve_audit(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.audit`."""
    trail = AuditHandlers(store)
    serve(broker, audit.LIST_AUDIT, trail.list)
    serve(broker, audit.READ_ACTIVITY, trail.activity)


def serve_following(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.following`."""
    serve(broker, following.FOLLOW, FeedHandlers(store).follow)
    serve(broker, following.DESCRIBE, describe)


def serve_things(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.things`."""
    handlers = ThingHandlers(store)
    serve(broker, things.DESCRIBE_THINGS, handlers.describe)
    serve(broker, things.LIST_THINGS, handlers.list)
    serve(broker, things.LIST_TAGGED, handlers.list_tagged)


def serve_lifecycle(broker: NatsBroker, store: Store, pool: Pool) -> None:
    """Answer every method of `libs.contracts.events.lifecycle`."""
    orders = PurgeOrders(store, pool)
    serve(broker, lifecycle.SET_ARCHIVED, ArchiveHandlers(store).set)
    serve(broker, lifecycle.PURGE, orders.purge)
    serve(broker, lifecycle.READ_PURGE, orders.read)
    serve(broker, lifecycle.LIST_PURGES, orders.listed)
    serve(broker, lifecycle.PURGE_DUE, orders.due)


def serve_operators(broker: NatsBroker, pool: Pool) -> None:
    """Answer every method of `libs.contracts.events.integrity`."""
    operations, quarantine = OperatorHandlers(pool), QuarantineHandlers(pool)
    refill = RefillHandlers(pool)
    serve(broker, integrity.VERIFY, operations.verify)
    serve(broker, integrity.EXPORT, operations.export)
    serve(broker, integrity.INSPECT, operations.inspect)
    serve(broker, integrity.SEARCH, operations.search)
    serve(broker, integrity.ACTIVITY, operations.activity)
    serve(broker, integrity.QUARANTINE, quarantine.list)
    serve(broker, integrity.SHOW_QUARANTINED, quarantine.show)
    serve(broker, integrity.DECIDE, quarantine.decide)
    serve(broker, integrity.REPUBLISH, refill.begin)
    serve(broker, integrity.REFILL_LEFT, refill.left)


def serve_workspaces(
    broker: NatsBroker, pool: Pool, worker: JobWorker, package_bytes: PackageBytes
) -> None:
    """Answer the methods of `libs.contracts.events.workspaces` that the events service owns."""
    jobs = WorkspaceJobHandlers(pool, worker.wake)
    packages = PackageHandlers(pool)
    libraries = LibraryHandlers(Store(pool), package_bytes)
    templates = TemplateHandlers(pool)
    serve(broker, workspaces.START_CLONE, jobs.clone)
    serve(broker, workspaces.START_TEMPLATE, jobs.template)
    serve(broker, workspaces.START_INSTANCE, jobs.instance)
    serve(broker, workspaces.START_IMPORT, jobs.import_)
    serve(broker, workspaces.READ_JOB, jobs.job)
    serve(broker, workspaces.TAKE_PACKAGE, packages.take)
    serve(broker, workspaces.OPEN_PACKAGE, packages.open)
    serve(broker, workspaces.PUT_PAGE, packages.put_page)
    serve(broker, workspaces.PUT_TEXT, packages.put_text)
    serve(broker, workspaces.PUT_CONVERSATION, packages.put_conversation)
    serve(broker, workspaces.READ_PAGE, packages.page)
    serve(broker, workspaces.DROP_PACKAGE, packages.drop)
    serve(broker, workspaces.READ_LOG, HistoryHandlers(Store(pool)).page)
    serve(broker, workspaces.LIST_TEMPLATES, templates.list)
    serve(broker, workspaces.READ_TEMPLATE, templates.read)
    serve(broker, workspaces.DELETE_TEMPLATE, templates.delete)
    serve(broker, workspaces.OPEN_LIBRARY, libraries.open)
    serve(broker, workspaces.SAVE_TO_LIBRARY, libraries.save)
    serve(broker, workspaces.IMPORT_FROM_LIBRARY, libraries.take_over)
