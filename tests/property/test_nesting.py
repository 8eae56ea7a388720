"""Depth of values: never an honest update refused, never a deep one let through."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from libs.contracts.collab.yprotocol import varuint
from services.collab import updates
from services.collab.nesting import DEPTH_MAX, too_deep
from services.collab.updates import BadUpdate
from tests.property.histories import Edit, histories, rows_of

YJS = Path(__file__).parents[1] / "clients" / "node_modules" / "yjs"
HOSTILE_DEPTH = 30_000
HEAD = b"\x01\x01\x01\x00\x08\x01\x01t\x01"
LEVELS = {"arrays": b"\x75\x01", "maps": b"\x76\x01\x01k"}

# Each round of depth holds everything that can hold something, and a sub-document and an embed.
_BY_YJS = """
const Y = await import(process.argv[1] + '/dist/yjs.mjs')
const deep = (n) => n === 0 ? [1, 'x', null, true, 1.5, 2 ** 40]
  : n % 2 ? [deep(n - 1)] : { k: deep(n - 1), s: '\\u{1F600}' }
const lines = []
for (let n = 0; n <= 50; n++) {
  const doc = new Y.Doc()
  doc.on('update', (u) => lines.push(Buffer.from(u).toString('hex')))
  doc.getArray('a').insert(0, [deep(n), deep(n)])
  doc.getMap('m').set('k', deep(n))
  doc.getArray('rare').insert(0, [2 ** 60, -0.1, new Uint8Array(3)])
  doc.getText('content').insert(0, 'text', { bold: true, style: deep(n) })
  doc.getText('content').insertEmbed(2, { image: deep(n) })
  let at = doc.getArray('types')
  for (let i = 0; i < n; i++) {
    const inner = i % 2 ? new Y.Array() : new Y.Map()
    at instanceof Y.Array ? at.insert(0, [inner]) : at.set('in', inner)
    at = inner
  }
  let xml = doc.getXmlFragment('default')
  for (let i = 0; i < n; i++) {
    const inner = new Y.XmlElement('p')
    inner.setAttribute('level', String(i))
    xml.insert(0, [inner, new Y.XmlText('between')])
    xml = inner
  }
  doc.getMap('docs').set('sub', new Y.Doc({ meta: deep(n) }))
  doc.getText('content').delete(0, 3)
  lines.push(Buffer.from(Y.encodeStateAsUpdate(doc)).toString('hex'))
}
console.log(lines.join('\\n'))
"""

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(max_size=20),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


@given(histories())
def test_histories_of_text_are_never_too_deep(history: list[Edit]):
    """The walk follows every struct that typing makes."""
    assert not any(too_deep(row) for row in rows_of(history))


@given(st.lists(_VALUES, max_size=4), st.dictionaries(st.text(max_size=5), _VALUES, max_size=4))
def test_values_are_never_too_deep(items: list[Any], members: dict[str, Any]):
    """Arrays, maps and everything that they can hold, as yrs writes it."""
    doc: Doc[Any] = Doc()
    doc.get("a", type=Array).extend(items)
    doc.get("m", type=Map).update(members)

    assert not too_deep(doc.get_update())


def test_elements_and_formats_are_never_too_deep():
    """Rich text: elements in elements, attributes, formatted text, embeds."""
    doc: Doc[Any] = Doc()
    place: Any = doc.get("default", type=XmlFragment)
    for level in range(50):
        place = place.children.append(XmlElement("p", {"level": str(level)}))
    place.children.append(XmlText("text"))
    text = doc.get("content", type=Text)
    text.insert(0, "bold and not")
    text.format(0, 4, {"bold": True, "style": {"colour": ["red", {"deep": [1, 2]}]}})
    text.insert_embed(3, {"image": {"src": "x"}})
    del text[2:5]

    assert not too_deep(doc.get_update())


@pytest.mark.skipif(
    not (YJS.is_dir() and shutil.which("node")), reason="needs Node.js and tests/clients installed"
)
def test_what_yjs_writes_is_never_too_deep():
    """As deep as fifty levels of everything there is."""
    command = ["node", "--input-type=module", "-e", _BY_YJS, str(YJS)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    found = [bytes.fromhex(line) for line in output.split()]

    assert len(found) > 300
    for update in found:
        assert not too_deep(update)
        updates.check(update)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_hostile_depth_is_found_before_anything_touches_it(level: bytes):
    """And just beyond the limit as well; at it, the update passes."""
    for depth, refused in ((HOSTILE_DEPTH, True), (DEPTH_MAX + 1, True), (DEPTH_MAX - 1, False)):
        update = HEAD + level * depth + b"\x7f\x00"

        assert too_deep(update) == refused
    with pytest.raises(BadUpdate):
        updates.check(HEAD + level * HOSTILE_DEPTH + b"\x7f\x00")


def test_time_grows_with_size_only():
    """Wide is not deep: a megabyte of shallow values is walked in one pass."""
    times: list[float] = []
    for count in (20_000, 80_000):
        wide = HEAD[:-1] + varuint(count) + b"\x75\x01\x7f" * count + b"\x00"
        began = time.perf_counter()

        assert not too_deep(wide)
        times.append(time.perf_counter() - began)
    assert times[1] < 40 * times[0]


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes):
    """Cut short or nonsense counts as too deep: it never raises."""
    assert too_deep(data) in (True, False)
