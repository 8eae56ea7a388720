// What clients/anchors makes of recorded sessions: reads {editor, base, log, spans} by line, writes what it found.
import './peers.mjs'
import { createInterface } from 'node:readline'
import * as Y from 'yjs'

const { anchorOf, rangeOf } = await import('../../../clients/anchors/index.mjs')
const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))

/** An editor seen by the helper: a place for a span of the flat text, and back. */
const SEEN = {
  xml: {
    place: (writer, from, to) => ({ state: writer.state, from: writer.pos(from), to: writer.pos(to) }),
    span: (writer, { from, to }) => [writer.offset(from), writer.offset(to)]
  },
  slate: {
    place: (writer, from, to) => ({ editor: writer.editor, range: writer.range(from, to) }),
    span: (writer, { anchor, focus }) => [writer.offset(anchor), writer.offset(focus)]
  },
  plain: {
    place: (writer, from, to) => ({ text: writer.shared, from, to }),
    span: (writer, { from, to }) => [from, to]
  }
}

const look = async ({ editor, base, log, spans }) => {
  const module = await import(`./writers/${editor}.mjs`)
  const { place, span } = SEEN[module.kind]
  const doc = new Y.Doc()
  Y.applyUpdate(doc, bytes(base))
  const writer = await module.open(doc)
  const anchors = spans.map(([from, to]) => anchorOf(place(writer, from, to)))
  const back = anchors.map((anchor) => span(writer, rangeOf(anchor, place(writer, 0, 1))))
  writer.close()
  const later = new Y.Doc()
  for (const update of [base, ...log]) Y.applyUpdate(later, bytes(update))
  const reader = await module.open(later)
  const final = anchors.map((anchor) => rangeOf(anchor, place(reader, 0, 1))).map((range) => range && span(reader, range))
  reader.close()
  return { anchors, back, final }
}

console.log = console.info = console.warn
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await look(JSON.parse(line))) + '\n')
}
process.exit(0)
