"""Real editors on one scene with the HTTP API: each sees exactly what the others wrote."""

from operator import itemgetter
from typing import Any

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario

BLOCKS: list[dict[str, Any]] = [
    {"type": "scene-heading", "n": 1, "children": [{"text": "INT. LABORATORY 🧪 - NIGHT"}]},
    {
        "type": "action",
        "children": [
            {"text": "It "},
            {"text": "moves", "italic": True, "color": "red"},
            {"text": ". See "},
            {"type": "link", "url": "x", "children": [{"text": "שלום 😀"}]},
            {"text": ""},
        ],
    },
    {
        "type": "list",
        "ordered": True,
        "children": [
            {"type": "list-item", "meta": {"a": [1, 2.5, None, True]}, "children": [{"text": "x"}]}
        ],
    },
    {"type": "x-unknown", "deep": {"er": [1]}, "children": [{"text": ""}]},
    {"type": "dialogue", "children": [{"text": "Alive!"}]},
]
NEW_BLOCK = {"type": "shot", "children": [{"text": "CLOSE ON: the hand 🖐🏽"}]}


async def test_slate_yjs_and_the_api_write_the_same_scene(play: Scenario):
    """Both bindings stay attached, agree with the server letter by letter, and undo their own."""
    result = await play("slate", blocks=BLOCKS, newText="It now ", newBlock=NEW_BLOCK)

    typed, put, after, last = (result[key] for key in ("typed", "put", "after", "last"))
    assert typed["seen"]["blocks"] == typed["value"] == BLOCKS
    assert typed["seen"]["text"].splitlines()[:2] == [
        "INT. LABORATORY 🧪 - NIGHT",
        "It moves. See שלום 😀",
    ]
    assert "It *moves*" in typed["seen"]["markdown"]
    expected = [BLOCKS[0], NEW_BLOCK, *BLOCKS[1:]]
    expected[2] = BLOCKS[1] | {"children": [{"text": "It now "}, *BLOCKS[1]["children"][1:]]}
    expected[5] = {"type": "dialogue", "children": [{"text": "Alive! typed"}]}
    assert put["one"] == put["other"] == put["newcomer"] == put["seen"]["blocks"] == expected
    assert put["cursors"] == [3, len("It now moves")]
    assert after["one"] == after["other"] == after["blocks"]
    assert after["one"][5] == BLOCKS[4]
    assert last["one"] == last["blocks"]
    assert {"text": "again", "italic": True} in last["one"][1]["children"]
    assert [block for at, block in enumerate(last["one"]) if at != 1] == [
        block for at, block in enumerate(after["one"]) if at != 1
    ]


DOCUMENT: dict[str, Any] = {
    "type": "doc",
    "content": [
        {
            "type": "scene-heading",
            "attrs": {"n": 7},
            "content": [{"type": "text", "text": "EXT. 🏔️"}],
        },
        {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": "Ice"}]},
        {
            "type": "paragraph",
            "content": [
                {"type": "text", "text": "I am "},
                {
                    "type": "text",
                    "marks": [{"type": "bold"}, {"type": "italic"}],
                    "text": "alone 😀",
                },
                {"type": "hardBreak"},
                {"type": "text", "text": "שלום"},
            ],
        },
        {
            "type": "bulletList",
            "content": [
                {
                    "type": "listItem",
                    "content": [
                        {"type": "paragraph", "content": [{"type": "text", "text": "a sledge"}]}
                    ],
                }
            ],
        },
        {"type": "paragraph"},
    ],
}


async def test_tiptap_and_the_api_write_the_same_scene(play: Scenario):
    """As above, with Tiptap's own JSON; also PUT as blocks and as Markdown reach the editors."""
    result = await play("tiptap", document=DOCUMENT)

    typed, put, after, last = (result[key] for key in ("typed", "put", "after", "last"))
    assert typed["value"] == DOCUMENT | typed["value"]
    assert typed["seen"]["prosemirror"] == _bare(typed["value"])
    assert [block["type"] for block in typed["seen"]["blocks"]] == [
        "scene-heading",
        "heading",
        "paragraph",
        "list",
        "paragraph",
    ]
    assert typed["seen"]["text"] == "EXT. 🏔️\nIce\nI am alone 😀\nשלום\na sledge\n"  # noqa: RUF001
    assert "**_alone 😀_**" in typed["seen"]["markdown"]
    assert put["one"] == put["other"] == put["newcomer"]
    assert _bare(put["one"]) == put["stored"] == put["wanted"]
    assert after["one"] == after["other"]
    assert _bare(after["one"]) == after["stored"]
    assert "typed" not in str(after["one"])
    assert _bare(last["one"]) == last["stored"]
    assert {"type": "text", "text": "new", "marks": [{"type": "italic"}]} in last["stored"][
        "content"
    ][2]["content"]
    assert last["errors"] == []


async def test_prosemirror_on_a_fragment_of_another_name(play: Scenario):
    """The fragment "prosemirror" is found, read and written like Tiptap's "default"."""
    result = await play("prosemirror")

    assert result["typed"]["text"] == "Frozen 😀 sea"
    assert result["one"] == result["other"] == result["stored"]
    assert result["text"] == "INT. SHIP\nFrozen 😀 and silent sea, typed"


async def test_plain_yjs_scene_keeps_to_lines(play: Scenario, friends: Friends):
    """A Y.Text stays one whatever is put there; blocks it cannot hold are refused, not mangled."""
    result = await play("plain")

    assert result["lines"] == ["one", "two 😀!", "three"]
    assert result["text"] == result["seen"] == "one\ntwo 😀!\nthree"
    assert result["refused"]["status"] == 409
    assert result["refused"]["problem"]["at"] == "content[0].type"
    assert await friends.ada.text(friends.scene) == result["text"]


def _bare(node: Any) -> Any:
    """Tiptap's JSON in the order of ours, without attributes that are null."""
    if isinstance(node, list):
        return [_bare(one) for one in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {key: _bare(value) for key, value in node.items()}  # pyright: ignore[reportUnknownVariableType]
    if "attrs" in found:
        found["attrs"] = {key: value for key, value in found["attrs"].items() if value is not None}
        if not found["attrs"]:
            del found["attrs"]
    if "marks" in found:
        found["marks"].sort(key=itemgetter("type"))
    return found
