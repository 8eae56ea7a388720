// slate-yjs, bound while others and the HTTP API write the same scene.
import { isDeepStrictEqual as same } from 'node:util'
import { Editor, Transforms } from 'slate'
import * as Y from 'yjs'
import { read, readAll, standing, write } from './editors.mjs'
import { scenario, told, until } from './room.mjs'
import { slate } from './slate_editor.mjs'


const newcomer = async () => {
  const editor = await slate(told.people.ben)
  const { value } = editor
  editor.leave()
  return value
}

/** A relative position in a block of the document. */
const relativeOf = (root, block, index) =>
  Y.createRelativePositionFromTypeIndex(root.toDelta()[block].insert, index)

scenario(async () => {
  const { ada, ben } = told.people
  const one = await slate(ada)
  const other = await slate(ben)
  Transforms.insertNodes(one.editor, told.blocks, { at: [0] })
  await until('both hold it', () => same(one.value, other.value) && same(other.value, told.blocks))
  const seen = await readAll(ada)
  const typed = { value: one.value, seen }

  // The server writes while both bindings are attached, and one of them types elsewhere.
  const wanted = structuredClone(seen.blocks)
  wanted[1].children[0].text = told.newText
  wanted.splice(1, 0, told.newBlock)
  const { baseStateVector } = await standing(ada)
  Transforms.insertText(other.editor, ' typed', { at: Editor.end(other.editor, [other.value.length - 1]) })
  // A cursor in a block that is not written, and one in words that stay in the block that is.
  const outer = relativeOf(other.root, 4, 3)
  const inner = relativeOf(other.root, 1, 'It moves'.length)
  await until('typed', () => JSON.stringify(one.value).includes(' typed'))
  await write(ada, 'blocks', wanted, { baseStateVector })
  await until('the new block is seen', () => [one, other].every((e) => same(e.value[1], told.newBlock)))
  await until('both agree', () => one.digest() === other.digest())
  const cursors = [outer, inner].map((position) => Y.createAbsolutePositionFromRelativePosition(position, other.doc).index)
  const put = { cursors, one: one.value, other: other.value, newcomer: await newcomer(), seen: await readAll(ada) }

  // Healthy: both still edit, and undo takes back only one's own.
  Transforms.insertText(one.editor, 'again ', { at: Editor.start(one.editor, [1]) })
  await until('heard', () => JSON.stringify(other.value).includes('again '))
  other.undo()
  await until('undone', () => !JSON.stringify(one.value).includes(' typed'))
  await until('both agree', () => one.digest() === other.digest())
  const after = { one: one.value, other: other.value, blocks: await read(ada, 'blocks') }
  const markdown = await read(ada, 'markdown')
  await write(ben, 'markdown', markdown.replace('again ', 'again and *again* '))
  await until('markdown heard', () => JSON.stringify(one.value).includes('again and '))
  const last = { one: one.value, blocks: await read(ada, 'blocks') }
  one.leave()
  other.leave()
  return { typed, put, after, last }
})
