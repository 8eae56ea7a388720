"""The machine: a project, its model, and one thing after the other that happens to both."""

from collections import Counter
from typing import Any
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.contracts.events import bundles as b
from libs.contracts.events import manuscript as m
from libs.contracts.ids import new_id
from tests.events.bundling import ALL, create
from tests.events.log_model import desk as d
from tests.events.log_model.drawing import (
    VALUES,
    furniture,
    some_change,
    some_operation,
    some_operations,
    with_doubts,
)
from tests.events.log_model.model import Model
from tests.events.log_model.proofs import prove_all, prove_versions
from tests.events.log_model.things import Made, Operation, Refused

FIELD_NAMES = {
    "task.status": "taskStatus",
    "task.priority": "taskPriority",
    "story.goals": "storyGoals",
}
"""What a pick calls the fields of a part."""

DEEDS = (
    *["command"] * 4,
    *["many_at_once"] * 3,
    *["overtaken"] * 2,
    *["undo"] * 2,
    "redo",
    "pick",
    "job",
    "retry",
    "archive",
    "forget",
)
"""What happens next, by how often: of rules of their own Hypothesis would leave out some."""

RETRIED_MAX = 5
"""How many of the newest commands may be asked again."""

outcomes = Counter[tuple[str, str | None]]()
"""How often each rule ended how: histories without refusals would prove little."""


class LogMachine(RuleBasedStateMachine):
    """One person in one project, beside a model that says what they should find."""

    def __init__(self, desk: d.Desk) -> None:
        super().__init__()
        self.desk = desk
        world = desk.begin()
        self.actor = world.actor
        self.model = Model(desk.wait(world.book())["id"])
        self.done: list[d.Question] = []
        self.agrees = True
        operations, bundle_id = furniture(self.model.book), new_id()
        self.model.commit(str(bundle_id), operations)
        self.done.append(d.bundle(bundle_id, operations))
        desk.ask(self.done[0], self.actor)

    # Deeds -----------------------------------------------------------------------------------

    @rule(deed=st.sampled_from(DEEDS), data=st.data())
    def go_on(self, deed: str, data: st.DataObject) -> None:
        getattr(self, deed)(data)

    def command(self, data: st.DataObject) -> None:
        operation = with_doubts(data, self.model, some_operation(data, self.model, []))
        operation.pop("oldValue", None)
        if operation["op"] != "set":
            operation.pop("baseVersion", None)
        for name in {"create": ["index"], "restore": ["expectedVersion"]}.get(operation["op"], []):
            operation.pop(name, None)
        self._do_alone(operation)

    def _do_alone(self, operation: Operation) -> None:
        command_id = new_id()
        self._meet(
            "command",
            d.command(command_id, operation, self.actor.scope()),
            lambda: self.model.command(str(command_id), operation),
        )

    def many_at_once(self, data: st.DataObject) -> None:
        self._do_together(some_operations(data, self.model))

    def _do_together(self, operations: list[Operation]) -> None:
        bundle_id = new_id()
        self._meet(
            "bundle",
            d.bundle(bundle_id, operations),
            lambda: self.model.commit(str(bundle_id), operations),
        )

    def job(self, data: st.DataObject) -> None:
        """Stage in two parts; what is staged is seen by nobody, and is one bundle or nothing."""
        job_id, abandons = new_id(), data.draw(st.booleans())
        parts = [some_operations(data, self.model), some_operations(data, self.model)]
        for number, part in enumerate(parts, start=1):
            self.desk.ask(d.stage(job_id, number, part), self.actor)
        prove_versions(self.desk, self.actor.scope(), self.model)
        commit = d.Question(b.COMMIT_JOB, b.CommitJob(job_id=job_id, parts=2, may=ALL))
        abandon = d.Question(b.ABANDON_JOB, b.AbandonJob(job_id=job_id))
        operations = [*parts[0], *parts[1]]
        if not abandons and self._meet("job", commit, lambda: self.model.commit("", operations)):
            code, _ = self.desk.tried(abandon, self.actor)
            assert code == "CONFLICT"
            return
        self.desk.ask(abandon, self.actor)
        code, _ = self.desk.tried(commit, self.actor)
        assert code == "GONE"

    def overtaken(self, data: st.DataObject) -> None:
        """Change a field; then comes who has not seen that, or takes back what was before it."""
        cells = [
            (made.id, each, name)
            for made in self.model.bundles
            for each in made.touched
            for name in VALUES[self.model.all[each].kind]
            if self.model.is_visible(each)
        ]
        bundle_id, thing_id, name = data.draw(st.sampled_from(cells or [("", "", "")]))
        if not thing_id:
            return
        change = some_change(data, self.model, thing_id, name)
        thing = self.model.all[thing_id]
        version, before = thing.version, thing.fields[name]
        self._do_alone(change)
        late = some_change(data, self.model, thing_id, name)
        match data.draw(st.sampled_from(["undo", "again", "expected", "base", "old"])):
            case "undo":
                self._undo(next(each for each in self.model.bundles if each.id == bundle_id))
            case "again":
                first = self.done[-1]
                self._do_alone(late)
                self._retry(first)
            case "expected":
                self._do_alone(late | {"expectedVersion": version})
            case "base":
                self._do_together([late | {"baseVersion": version}])
            case _:
                self._do_together([late | {"oldValue": before}])

    def undo(self, data: st.DataObject) -> None:
        self._undo(self._some_bundle(data))

    def _undo(self, target: Made) -> None:
        bundle_id = new_id()
        body = b.Undo(command_id=bundle_id, bundle_id=UUID(target.id), may=ALL)
        self._meet(
            "undo", d.Question(b.UNDO, body), lambda: self.model.undo(str(bundle_id), target)
        )

    def redo(self, data: st.DataObject) -> None:
        undone = [each for each in self.model.bundles if self.model.is_undone(each.id)]
        target = data.draw(st.sampled_from(undone or self.model.bundles))
        bundle_id = new_id()
        body = b.Redo(command_id=bundle_id, bundle_id=UUID(target.id), may=ALL)

        def expected() -> None:
            reversal = self.model.reversal_of(target.id)
            if reversal is None:
                raise Refused("CONFLICT")
            self.model.undo(str(bundle_id), reversal)

        self._meet("redo", d.Question(b.REDO, body), expected)

    def pick(self, data: st.DataObject) -> None:
        target, bundle_id = self._some_bundle(data), new_id()
        backwards = data.draw(st.booleans())
        cells = [
            (each, name) for each, touched in target.touched.items() for name in touched.effects
        ]
        only = set(data.draw(st.lists(st.sampled_from(cells), min_size=1, max_size=3)))
        body = b.CherryPick.model_validate(
            {
                "command_id": bundle_id,
                "bundle_id": target.id,
                "may": ALL,
                "direction": "undo" if backwards else "apply",
                "fields": [self._reference(each, name) for each, name in only],
            }
        )
        self._meet(
            "pick",
            d.Question(b.CHERRY_PICK, body),
            lambda: self.model.pick(str(bundle_id), target, only, backwards=backwards),
        )

    def retry(self, data: st.DataObject) -> None:
        """An answer was lost: what was done already is not done again, and told as it is now."""
        self._retry(data.draw(st.sampled_from(self.done[-RETRIED_MAX:])))

    def _retry(self, question: d.Question) -> None:
        code, _ = self.desk.tried(question, self.actor)

        about = self.model.all.get(str(getattr(question.body, "id", None)))
        is_there = about is None or not about.gone or isinstance(question.body, m.Remove)
        self.agrees = code == (None if is_there else "NOT_FOUND")
        assert self.agrees, (question, code)
        outcomes["retry", code] += 1

    def archive(self, data: st.DataObject) -> None:
        self.desk.archive(data.draw(st.sampled_from(d.CHUNK_EVENTS)))

    def forget(self, _: st.DataObject) -> None:
        """Retention takes all of the past; then somebody goes on."""
        self.desk.forget(self.actor.scope())
        self.model.forget()
        self._do_together([create("chapter", new_id(), self.model.book, title="And then")])
        outcomes["forget", None] += 1

    # Proofs ----------------------------------------------------------------------------------

    @invariant()
    def nothing_else_happened(self) -> None:
        prove_versions(self.desk, self.actor.scope(), self.model)

    def teardown(self) -> None:
        if self.agrees:  # else that is what is to be told
            prove_all(self.desk, self.actor, self.model)

    def _meet(self, name: str, question: d.Question, model_does: Any) -> bool:
        """Let both do it; they agree whether it can be done, which is returned, and if not, why."""
        expected = None
        try:
            model_does()
        except Refused as refusal:
            expected = refusal.code
        code, answer = self.desk.tried(question, self.actor)
        said = question.body.model_dump(mode="json", exclude={"may"}, exclude_unset=True)
        note(f"{name}, {code or 'done'}: {said}")

        self.agrees = code == expected
        assert self.agrees, (name, code, expected)
        outcomes[name, code] += 1
        if code is None:
            self.done.append(question)
        if name == "job" and code is None and answer.bundle:
            self.model.bundles[-1].id = str(answer.bundle.id)
        return code is None

    def _some_bundle(self, data: st.DataObject) -> Made:
        return data.draw(st.sampled_from(self.model.bundles))

    def _reference(self, thing_id: str, name: str) -> Operation:
        target = {"kind": self.model.all[thing_id].kind, "id": thing_id}
        return {"aggregate": target, "field": FIELD_NAMES.get(name, name)}
