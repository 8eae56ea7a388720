// Undo takes back one's own edits and nobody else's, also those around which others wrote.
import * as Y from 'yjs'
import { agree, Peer, scenario, stored, told, until } from './room.mjs'

scenario(async () => {
  const { ada, ben } = told.people
  const writer = await new Peer(ada).synced()
  const other = await new Peer(ben).synced()
  const undo = new Y.UndoManager(writer.text, { captureTimeout: 0 })
  const steps = []
  const step = async () => {
    await until('both agree', () => agree(writer, other))
    steps.push(other.value)
  }

  writer.type('one two three')
  await step()
  other.type('and a half ', 'one '.length)
  await step()
  writer.text.delete(0, 'one '.length)
  await step()
  undo.undo()
  await step()
  undo.undo()
  await step()
  undo.redo()
  await step()
  return { steps, stored: await stored(ada) }
})
