// y-prosemirror on the fragment "prosemirror", without Tiptap.
import { read, readAll, write } from './editors.mjs'
import { prosemirror } from './prosemirror_editors.mjs'
import { scenario, told, until } from './room.mjs'

const says = (text) => (editor) => JSON.stringify(editor.value).includes(text)

scenario(async () => {
  const { ada, ben } = told.people
  const one = await prosemirror(ada)
  const other = await prosemirror(ben)
  one.view.dispatch(one.view.state.tr.insertText('Frozen 😀 sea', 1))
  await until('heard', () => says('Frozen')(other))
  const typed = await readAll(ada)
  await write(ada, 'blocks', [
    { type: 'scene-heading', children: [{ text: 'INT. SHIP' }] },
    { type: 'paragraph', children: [{ text: 'Frozen 😀 ' }, { text: 'and silent ', em: true }, { text: 'sea' }] }
  ])
  await until('put', () => [one, other].every(says('silent')))
  const { state } = other.view
  other.view.dispatch(state.tr.insertText(', typed', state.doc.content.size - 1))
  await until('heard', () => says(', typed')(one))
  await until('both agree', () => one.digest() === other.digest())
  const result = { typed, one: one.value, other: other.value, stored: await read(ada, 'prosemirror'), text: await read(ada, 'text') }
  one.leave()
  other.leave()
  return result
})
