"""What is answered about workspaces, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.events import workspaces
from libs.postgres import Pool
from services.events.store import Store
from services.events.workspaces.files import Files
from services.events.workspaces.handlers import JobRequests
from services.events.workspaces.history import History
from services.events.workspaces.library import Libraries
from services.events.workspaces.packages import Packages
from services.events.workspaces.templates import TemplateRequests
from services.events.workspaces.worker import Worker


def subscribe_workspaces(broker: NatsBroker, pool: Pool, worker: Worker, files: Files) -> None:
    """Answer every method of `libs.contracts.events.workspaces` that is the events service's."""
    jobs = JobRequests(pool, worker.wake)
    packages = Packages(pool)
    libraries = Libraries(Store(pool), files)
    templates = TemplateRequests(pool)
    serve(broker, workspaces.START_CLONE, jobs.clone)
    serve(broker, workspaces.START_TEMPLATE, jobs.template)
    serve(broker, workspaces.START_INSTANCE, jobs.instance)
    serve(broker, workspaces.START_IMPORT, jobs.import_)
    serve(broker, workspaces.READ_JOB, jobs.job)
    serve(broker, workspaces.TAKE_PACKAGE, packages.take)
    serve(broker, workspaces.OPEN_PACKAGE, packages.open)
    serve(broker, workspaces.PUT_PAGE, packages.put_page)
    serve(broker, workspaces.PUT_TEXT, packages.put_text)
    serve(broker, workspaces.READ_PAGE, packages.page)
    serve(broker, workspaces.DROP_PACKAGE, packages.drop)
    serve(broker, workspaces.READ_LOG, History(Store(pool)).page)
    serve(broker, workspaces.LIST_TEMPLATES, templates.list)
    serve(broker, workspaces.READ_TEMPLATE, templates.read)
    serve(broker, workspaces.DELETE_TEMPLATE, templates.delete)
    serve(broker, workspaces.OPEN_LIBRARY, libraries.open)
    serve(broker, workspaces.SAVE_TO_LIBRARY, libraries.save)
    serve(broker, workspaces.IMPORT_FROM_LIBRARY, libraries.take_over)
