"""`scriptorium migrate`: scenes and contents of an older system become our own."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import UUID

import typer
from pydantic import ValidationError

from libs.contracts.blobs.operations import (
    IMPORT,
    LIST_IMPORTS,
    Import,
    Imported,
    ImportOutcome,
    ListImports,
)
from libs.contracts.collab.migration import (
    LIST_IMPORTED,
    MIGRATE_SCENE,
    ListImported,
    MigrateScene,
    MigrationOutcome,
    SceneMigration,
)
from libs.contracts.collab.persistence import PUT_SNAPSHOT, PutSnapshot, SnapshotSource
from libs.contracts.editors import SceneEditor
from libs.contracts.events.manuscript import (
    AUTHORIZE,
    LIST_BOOK_SCENES,
    READ,
    Authorize,
    ListBookScenes,
    Read,
)
from libs.contracts.ids import new_id
from tools.cli.operate.ask import STYLE, new_file, run
from tools.cli.operate.line import NOBODY, Line, NatsUrl, Refused, line
from tools.cli.operate.progress import over_scenes
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

PAGE_SCENES = 200

migrate = typer.Typer(**STYLE)


@migrate.callback()
def describe() -> None:
    """Migrate the data of an older system."""


@migrate.command()
def rest_to_yjs(  # noqa: PLR0917 (each is an option with a name of its own)
    all_: Annotated[
        bool, typer.Option("--all", help="Every scene that was imported as blocks.")
    ] = False,
    script_id: Annotated[
        UUID | None, typer.Option(help="Only the scenes of this script (a book).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Convert and compare, and write nothing.")
    ] = False,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Compare migrated scenes with their blocks.")
    ] = False,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help='First import the blocks in this file: {"scenes": [{"sceneUUID", "content": '
            '{"blocks": []}}]}, as GET /api/scripts/{id}/scenes answers.',
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=new_file, help="Write the outcome for each scene, as JSON."
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Write scenes that exist as JSON blocks into the update log, each checked to read the same.

    May be stopped and run again at any time: migrated scenes are skipped. Exits with 1 when a scene
    could not be migrated, or reads differently. --dry-run and --verify-only concern all scenes
    unless a script is named.

    \b
    scriptorium migrate rest-to-yjs --dry-run --from export.json
    scriptorium migrate rest-to-yjs --all --from export.json --report done.json
    scriptorium migrate rest-to-yjs --verify-only
    """  # noqa: D301
    if dry_run and verify_only:
        raise typer.BadParameter("give either --dry-run or --verify-only")
    if verify_only and given:
        raise typer.BadParameter("--verify-only compares with imported blocks; leave out --from")
    if (all_ and script_id) or not (all_ or script_id or dry_run or verify_only):
        raise typer.BadParameter("give either --all or --script-id")
    blocks = _read(given) if given else {}
    kinds = {"dry_run": dry_run, "verify_only": verify_only}
    told = asyncio.run(_run(data_dir, nats_url, script_id, blocks, kinds))
    counts = Counter(each.outcome for each in told)
    for each in told:
        if each.reason:
            say(f"{each.scene_id}  {each.outcome:<8} {each.reason}")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    say(summary or "nothing to migrate")
    if report:
        report.write_text(
            json.dumps([each.model_dump(mode="json", by_alias=True) for each in told], indent=2)
        )
    if counts[MigrationOutcome.FAILED]:
        raise typer.Exit(1)


@migrate.command()
def content_to_blobs(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, and write nothing.")
    ] = False,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Compare migrated blobs with their rows.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=new_file, help="Write the outcome for each row, as JSON."
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Turn contents that an older system kept in rows into blobs with paths, each read back.

    First load the rows into `imported_contents` of the blobs database; docs/blobs.md says how.
    May be stopped and run again at any time: migrated rows are skipped. Exits with 1 when a row
    could not be migrated, or its blob differs from it.

    \b
    scriptorium migrate content-to-blobs --dry-run
    scriptorium migrate content-to-blobs --report done.json
    scriptorium migrate content-to-blobs --verify-only
    """  # noqa: D301
    if dry_run and verify_only:
        raise typer.BadParameter("give either --dry-run or --verify-only")
    told: list[Imported] = []

    async def ask(services: Line) -> None:
        async def work(row: UUID) -> None:
            question = Import(id=row, dry_run=dry_run, verify_only=verify_only)
            try:
                told.append(await services.ask(IMPORT, question))
            except Refused as refusal:
                told.append(Imported(id=row, outcome=ImportOutcome.FAILED, reason=str(refusal)))

        total = (await services.ask(LIST_IMPORTS, ListImports(limit=1))).total
        what = "verifying" if verify_only else "migrating"
        await over_scenes(what, _contents(services), total, work)

    run(data_dir, nats_url, ask)
    for each in told:
        if each.reason and each.outcome is ImportOutcome.FAILED:
            say(f"{each.id}  {each.outcome:<8} {each.reason}")
    counts = Counter(each.outcome for each in told)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    say(summary or "nothing to migrate")
    if report:
        report.write_text(
            json.dumps([each.model_dump(mode="json", by_alias=True) for each in told], indent=2)
        )
    if counts[ImportOutcome.FAILED]:
        raise typer.Exit(1)


async def _contents(services: Line) -> AsyncIterator[UUID]:
    after = UUID(int=0)
    while True:
        page = await services.ask(LIST_IMPORTS, ListImports(after=after, limit=PAGE_SCENES))
        for row in page.ids:
            yield row
        if not page.ids:
            return
        after = page.ids[-1]


async def _run(
    data_dir: Path,
    nats_url: str | None,
    script_id: UUID | None,
    blocks: dict[UUID, list[dict[str, Any]]],
    kinds: dict[str, bool],
) -> list[SceneMigration]:
    told: dict[UUID, SceneMigration] = {}
    async with line(data_dir, nats_url) as services:
        scenes = [each async for each in _of_script(services, script_id)] if script_id else None
        if scenes is not None:
            for scene in blocks.keys() - set(scenes):
                told[scene] = _told(scene, MigrationOutcome.SKIPPED, "is in another script")
            blocks = {scene: blocks[scene] for scene in scenes if scene in blocks}
        tried: set[UUID] = set()

        async def take_in(scene: UUID) -> None:
            if kinds["dry_run"]:
                tried.add(scene)
                await attempt(MigrateScene(scene_id=scene, dry_run=True, blocks=blocks[scene]))
            elif refusal := await _take_in(services, scene, blocks[scene]):
                told[scene] = refusal

        async def attempt(question: MigrateScene) -> None:
            scene = question.scene_id
            try:
                editor = await _editor_of(services, scene)
                question = question.model_copy(update={"editor": editor})
                told[scene] = await services.ask(MIGRATE_SCENE, question)
            except Refused as refusal:
                told[scene] = _told(scene, MigrationOutcome.FAILED, str(refusal))

        async def work(scene: UUID) -> None:
            if scene not in tried:
                await attempt(
                    MigrateScene(
                        scene_id=scene, dry_run=kinds["dry_run"], verify_only=kinds["verify_only"]
                    )
                )

        if blocks:
            await over_scenes("taking in", _each(blocks), len(blocks), take_in)
        await over_scenes(
            "verifying" if kinds["verify_only"] else "migrating",
            _each(scenes) if scenes is not None else _imported(services),
            len(scenes) if scenes is not None else await _count(services),
            work,
        )
    return list(told.values())


async def _editor_of(services: Line, scene: UUID) -> SceneEditor | None:
    """Return the editor of a scene; None when it has none."""
    question = Authorize(user_id=NOBODY.user_id, kind="scene", id=scene)
    standing = await services.ask(AUTHORIZE, question)
    if standing.editor is None:
        return None
    if standing.editor.definition_id is None:
        return SceneEditor.built_in(standing.editor.name)
    definition = Read(
        kind="editor_definition", id=standing.editor.definition_id, include_deleted=True
    )
    found = await services.ask(READ, definition, project_id=standing.project_id)
    return SceneEditor.model_validate(
        {"name": found.resource["name"], "definition": found.resource["definition"]}
    )


async def _take_in(
    services: Line, scene: UUID, content: list[dict[str, Any]]
) -> SceneMigration | None:
    """Store the blocks of a scene that has nothing yet; one that has its log keeps it."""
    question = PutSnapshot(
        scene_id=scene, snapshot_id=new_id(), source=SnapshotSource.IMPORT, blocks=content
    )
    try:
        await services.ask(PUT_SNAPSHOT, question)
    except Refused as refusal:
        return _told(scene, MigrationOutcome.SKIPPED, f"not taken in: {refusal}")
    return None


def _told(scene: UUID, outcome: MigrationOutcome, reason: str) -> SceneMigration:
    return SceneMigration(scene_id=scene, outcome=outcome, reason=reason)


async def _count(services: Line) -> int:
    return (await services.ask(LIST_IMPORTED, ListImported(limit=1))).total


async def _imported(services: Line) -> AsyncIterator[UUID]:
    after = UUID(int=0)
    while True:
        page = await services.ask(LIST_IMPORTED, ListImported(after=after, limit=PAGE_SCENES))
        for scene in page.scene_ids:
            yield scene
        if not page.scene_ids:
            return
        after = page.scene_ids[-1]


async def _of_script(services: Line, script: UUID) -> AsyncIterator[UUID]:
    where = await services.ask(AUTHORIZE, Authorize(user_id=UUID(int=0), kind="book", id=script))
    if where.project_id is None:
        raise Refused(f"there is no script {script}")
    cursor = None
    while True:
        question = ListBookScenes(book_id=script, cursor=cursor, limit=PAGE_SCENES)
        page = await services.ask(LIST_BOOK_SCENES, question, project_id=where.project_id)
        for item in page.items:
            yield item.scene.id
        if not page.more:
            return
        cursor = page.items[-1].cursor


async def _each(scenes: Iterable[UUID]) -> AsyncIterator[UUID]:
    for scene in scenes:
        yield scene


def _read(file: Path) -> dict[UUID, list[dict[str, Any]]]:
    """Read blocks by scene.

    Raises:
        typer.BadParameter: The file is not of that form; says where.
    """
    try:
        found = cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))
        scenes = cast("list[dict[str, Any]]", found["scenes"])
        return {UUID(each["sceneUUID"]): each["content"]["blocks"] for each in scenes}
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--from") from None
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise typer.BadParameter(
            f"{file} is not of the expected form: {type(error).__name__}: {error}",
            param_hint="--from",
        ) from None
