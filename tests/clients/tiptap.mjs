// Tiptap, bound while others and the HTTP API write the same scene.
import { isDeepStrictEqual as same } from 'node:util'
import { read, readAll, write } from './editors.mjs'
import { tiptap } from './prosemirror_editors.mjs'
import { scenario, told, until } from './room.mjs'

const newcomer = async () => {
  const editor = await tiptap(told.people.ben)
  const { value } = editor
  editor.leave()
  return value
}

scenario(async () => {
  const { ada, ben } = told.people
  const one = await tiptap(ada)
  const other = await tiptap(ben)
  one.editor.commands.setContent(told.document, true)
  await until('both hold it', () => same(one.value, other.value) && other.value.content.length === told.document.content.length)
  const typed = { value: one.value, seen: await readAll(ada) }

  const wanted = structuredClone(typed.seen.prosemirror)
  wanted.content[2].content[0].text = 'I was '
  wanted.content.splice(1, 0, { type: 'action', content: [{ type: 'text', text: 'Wind.' }] })
  await write(ada, 'prosemirror', wanted)
  await until('the new node is seen', () => [one, other].every((e) => JSON.stringify(e.value).includes('Wind.')))
  await until('both agree', () => one.digest() === other.digest())
  const put = { one: one.value, other: other.value, newcomer: await newcomer(), stored: await read(ada, 'prosemirror'), wanted }

  other.editor.commands.insertContentAt(1, 'typed ')
  await until('typed', () => JSON.stringify(one.value).includes('typed '))
  const blocks = await read(ada, 'blocks')
  blocks[1].children[0].text = 'Wind and snow.'
  blocks[1].n = 3
  await write(ada, 'blocks', blocks)
  await until('blocks heard', () => [one, other].every((e) => JSON.stringify(e.value).includes('Wind and snow.')))
  other.undo()
  await until('undone', () => !JSON.stringify(one.value).includes('typed '))
  await until('both agree', () => one.digest() === other.digest())
  const after = { one: one.value, other: other.value, stored: await read(ada, 'prosemirror') }

  const markdown = await read(ada, 'markdown')
  await write(ben, 'markdown', markdown.replace('Ice', 'Ice *new*'))
  await until('markdown heard', () => [one, other].every((e) => JSON.stringify(e.value).includes('new')))
  const last = { one: one.value, stored: await read(ada, 'prosemirror'), errors: [...one.errors, ...other.errors] }
  one.leave()
  other.leave()
  return { typed, put, after, last }
})
