"""Editors whose document is a text: which one wrote it, and what a team's rules allow."""

from typing import Any

import pytest

from libs.contracts.editors import (
    BlockRule,
    BuiltIn,
    EditorDefinition,
    ElementRule,
    MarkRule,
)
from services.collab.formats.editors.detect_texts import detect
from services.collab.formats.editors.slate_rules import SlateRules
from services.collab.formats.layout import Layout
from services.collab.formats.tree import EMBED, CannotHold, Element, Leaf, Node


@pytest.mark.parametrize(
    ("layout", "root", "children", "editor"),
    [
        (Layout.PLAIN, "content", [Leaf("a\nb")], BuiltIn.PLAIN),
        (Layout.PLAIN, "content", [Leaf("a"), Leaf("\n", {"header": 1})], BuiltIn.QUILL),
        (Layout.PLAIN, "content", [Element(EMBED, {"value": {"image": "a"}})], BuiltIn.QUILL),
        (Layout.PLAIN, "quill", [Leaf("a")], BuiltIn.QUILL),
        (Layout.SLATE, "root", [Element(None, {"__type": "paragraph"})], BuiltIn.LEXICAL),
        (Layout.SLATE, "content", [Element("p")], BuiltIn.PLATE),
        (
            Layout.SLATE,
            "content",
            [Element("paragraph", {"indent": 1, "listStyleType": "disc"})],
            BuiltIn.PLATE,
        ),
        (Layout.SLATE, "content", [Element("paragraph"), Element("list")], BuiltIn.SLATE),
        (Layout.XML, "default", [Element("paragraph")], None),
    ],
)
def test_names_tell_who_wrote(
    layout: Layout, root: str, children: list[Node], editor: BuiltIn | None
):
    """Each editor has names of its own."""
    assert detect(layout, root, Element(None, {}, children)) is editor


RULES = SlateRules(
    "ours",
    EditorDefinition(
        kind="slate",
        root="content",
        elements={
            "para": ElementRule(),
            "bullets": ElementRule(holds="blocks", only=("bullet",)),
            "numbers": ElementRule(holds="blocks", only=("bullet",)),
            "bullet": ElementRule(holds="blocks"),
            "cite": ElementRule(holds="text"),
            "rule": ElementRule(holds="nothing"),
            "anchor": ElementRule(inline=True),
        },
        blocks=(
            BlockRule(block="paragraph", type="para"),
            BlockRule(block="list", when={"ordered": True}, type="numbers"),
            BlockRule(block="list", type="bullets"),
            BlockRule(block="list-item", type="bullet"),
            BlockRule(block="quote", type="cite", attrs={"kind": "quotation"}),
            BlockRule(block="divider", type="rule"),
            BlockRule(block="link", type="anchor"),
        ),
        mark_names=(MarkRule(mark="bold", type="strong"),),
    ),
)


def paragraph(*children: Node) -> Element:
    """Return a paragraph."""
    return Element("paragraph", {}, list(children))


def test_rules_of_a_team_are_kept_both_ways():
    """Names of blocks and marks, attributes, and where text wants a paragraph or none."""
    wanted = Element(
        None,
        {},
        [
            paragraph(Leaf("a", {"bold": True}), Element("link", {"url": "x"}, [Leaf("b")])),
            Element("list", {"ordered": True}, [Element("list-item", {}, [Leaf("c")])]),
            Element("quote", {}, [paragraph(Leaf("d"))]),
            Element("divider"),
        ],
    )

    made = RULES.build(wanted)

    RULES.check(made)
    assert made == [
        Element(
            "para",
            {},
            [Leaf("a", {"strong": True}), Element("anchor", {"url": "x"}, [Leaf("b")])],
        ),
        Element("numbers", {}, [Element("bullet", {}, [Element("para", {}, [Leaf("c")])])]),
        Element("cite", {"kind": "quotation"}, [Leaf("d")]),
        Element("rule"),
    ]
    shown = RULES.view(Element(None, {}, made))
    assert shown.children[0] == wanted.children[0]
    assert shown.children[1] == Element(
        "list", {"ordered": True}, [Element("list-item", {}, [paragraph(Leaf("c"))])]
    )
    assert RULES.build(shown) is made


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (Element("table"), "content[0].type"),
        (Element("quote", {}, [paragraph(Leaf("a")), paragraph()]), "content[0].children[0].type"),
        (paragraph(Leaf("a"), Element("mention")), "content[0].children[1].type"),
        (Element("divider", {}, [Leaf("a")]), "content[0].children"),
    ],
)
def test_what_rules_do_not_allow_is_refused_with_its_place(block: Element, place: str):
    """The editor would delete it."""
    with pytest.raises(CannotHold) as refused:
        RULES.build(Element(None, {}, [block]))
    assert refused.value.place == place


def test_check_finds_what_an_editor_would_delete():
    """At any depth."""
    bad: list[Any] = [
        Element("bullets", {}, [Element("para")]),
        Element("para", {}, [Element("x")]),
    ]
    for one in bad:
        with pytest.raises(CannotHold):
            RULES.check([one])
