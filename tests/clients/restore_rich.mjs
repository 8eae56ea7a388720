// Going back brings formatting and structure, too: a Tiptap document as another client sees it.
import * as Y from 'yjs'
import { ask, Peer, scenario, told, until } from './room.mjs'

const path = `/api/scenes/${told.scene}`

const paragraph = (...runs) => {
  const element = new Y.XmlElement('paragraph')
  const text = new Y.XmlText()
  element.insert(0, [text])
  runs.forEach(([words, marks]) => text.insert(text.length, words, marks ?? {}))
  return element
}

scenario(async () => {
  const { ada, ben } = told.people
  const writer = await new Peer(ada).synced()
  const other = await new Peer(ben).synced()
  const mine = writer.doc.getXmlFragment('default')
  const theirs = other.doc.getXmlFragment('default')
  writer.doc.transact(() => {
    const heading = new Y.XmlElement('heading')
    heading.setAttribute('level', 2)
    heading.insert(0, [new Y.XmlText('Letter I')])
    mine.insert(0, [
      heading,
      paragraph(['You will '], ['rejoice', { bold: {} }], [' to hear 🐧']),
      paragraph(['Kept as it is.'])
    ])
  })
  const draft = mine.toString()
  await until('the other has it', () => theirs.toString() === draft)
  const history = JSON.parse(await ask(ada, 'GET', `${path}/history`))
  const kept = mine.get(2)

  writer.doc.transact(() => {
    mine.get(0).setAttribute('level', 3)
    mine.get(1).get(0).format(9, 7, { bold: null, italic: {} })
    mine.insert(2, [paragraph(['One too many.'])])
    mine.get(1).get(0).insert(0, 'Perhaps ')
  })
  await until('the other has it', () => theirs.toString() === mine.toString())
  const changed = mine.toString()

  const at = `seq:${history.items[0].seqTo}`
  const restored = JSON.parse(await ask(ben, 'POST', `${path}/restore-version`, { at }))
  await until('the writer has it', () => mine.toString() === draft)
  await until('the other has it', () => theirs.toString() === draft)
  return { draft, changed, restored, untouched: mine.get(2) === kept }
})
