"""Flat requests travel as the release before this one knows them, and both forms are read."""

import json

import pytest

from libs.contracts.collab.branches import CreateBranch, MergeBranch, MergeStrategy
from libs.contracts.collab.history import ChangeSnapshot, CreateSnapshot
from libs.contracts.editors import SceneEditor
from libs.contracts.ids import new_id
from libs.contracts.wire import Enveloped

SCENE, ID = new_id(), new_id()
BRANCH = CreateBranch(id=ID, scene_id=SCENE, name="Ending", at="seq:4")
SNAPSHOT = CreateSnapshot(id=ID, scene_id=SCENE, name="Entwürfe", description=None)
PATCH = ChangeSnapshot(id=ID, scene_id=SCENE, description=None)
MERGE = MergeBranch(
    id=ID,
    scene_id=SCENE,
    merge_id=ID,
    strategy=MergeStrategy.OURS,
    editor=SceneEditor(name="plate"),
)


def sent(request: Enveloped) -> dict[str, object]:
    return json.loads(request.to_wire())


@pytest.mark.parametrize("request_", [BRANCH, SNAPSHOT, PATCH, MERGE])
def test_both_forms_are_read(request_: Enveloped) -> None:
    """A gateway of either release may ask."""
    model, fields = type(request_), request_.model_dump(exclude_unset=True)
    for form in (request_.to_wire(), json.dumps(fields, default=str)):
        found = model.model_validate_json(form)
        assert found == request_
        assert found.model_fields_set >= request_.model_fields_set


def test_the_form_of_the_release_before_is_sent() -> None:
    """A service of that release refuses members that it does not know."""
    assert sent(BRANCH) == {
        "id": str(ID),
        "sceneId": str(SCENE),
        "fields": {"name": "Ending", "at": "seq:4"},
    }
    assert sent(PATCH)["fields"] == {"description": None}
    assert sent(MERGE)["request"] == {"strategy": "ours"}
    assert "strategy" not in sent(MERGE)


def test_what_was_not_given_stays_so() -> None:
    """An empty change changes nothing, and a merge by default names no strategy."""
    nothing = ChangeSnapshot(id=ID, scene_id=SCENE)
    assert sent(nothing)["fields"] == {}
    assert sent(MergeBranch(id=ID, scene_id=SCENE, merge_id=ID))["request"] == {}
