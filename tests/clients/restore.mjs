// A version comes back as an edit: open editors get it live, while one of them goes on writing.
import * as Y from 'yjs'
import { agree, ask, check, Peer, scenario, sleep, stored, told, until } from './room.mjs'

const path = `/api/scenes/${told.scene}`
const DRAFT = 'The first line.\nThe second line.\nThe third line.\n'

scenario(async () => {
  const { ada, ben } = told.people
  const writer = await new Peer(ada).synced()
  const other = await new Peer(ben).synced()
  writer.type(DRAFT)
  await other.reads(DRAFT)
  const history = JSON.parse(await ask(ada, 'GET', `${path}/history`))
  const version = `seq:${history.items[0].seqTo}`

  // What is to be undone by going back.
  other.text.delete('The first line.\n'.length, 'The second line.\n'.length)
  other.type('A line too many.\n')
  await until('both agree', () => agree(writer, other))
  const changed = writer.value

  // One writes on while the other goes back.
  const undo = new Y.UndoManager(writer.text, { captureTimeout: 0 })
  let typing = true
  let typed = ''
  const write = async () => {
    while (typing) {
      const word = `word${typed.length} `
      writer.type(word, 0)
      typed = word + typed
      await sleep(5)
    }
  }
  const written = write()
  await sleep(50)
  const before = typed.length
  const restored = JSON.parse(await ask(ben, 'POST', `${path}/restore-version`, { at: version }))
  await until('the other sees it', () => other.value.includes('The second line.'))
  await until('the writer sees it', () => writer.value.includes('The second line.'))
  typing = false
  await written
  await until('both agree', () => agree(writer, other))
  check('somebody wrote meanwhile', typed.length > before)
  const after = writer.value

  // What was typed is one's own still: undo takes back that, and nothing of what came back.
  const steps = undo.undoStack.length
  while (undo.undoStack.length) undo.undo()
  await until('both agree', () => agree(writer, other))
  return { changed, restored, typed, after, steps, undone: writer.value, stored: await stored(ada) }
})
