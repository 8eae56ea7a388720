// Opens Yjs states with real editors, one a line; see README.md.
import { createInterface } from 'node:readline'
import * as Y from 'yjs'

const NOTHING = Uint8Array.of(0, 0)
const turn = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const base64 = (bytes) => Buffer.from(bytes).toString('base64')

/** Let what was scheduled run, and what that schedules. */
const settle = async () => {
  for (let turns = 0; turns < 4; turns++) await turn(0)
  await turn(2)
}

const shown = async ({ editor: name, state }) => {
  const { open } = await import(`./${name}.mjs`)
  const doc = new Y.Doc()
  Y.applyUpdate(doc, Buffer.from(state, 'base64'))
  const updates = []
  doc.on('update', (update) => updates.push(update))
  const editor = await open(doc)
  await settle()
  const found = { text: editor.text(), json: editor.json() }
  editor.close()
  await turn(0)
  const update = updates.length ? Y.mergeUpdates(updates) : NOTHING
  return { changed: updates.length > 0, update: base64(update), ...found }
}

// What a binding catches it may log; only answers belong on stdout.
console.log = console.info = console.warn
let last = Promise.resolve()
createInterface({ input: process.stdin }).on('line', (line) => {
  last = last.then(async () => {
    const answer = await shown(JSON.parse(line)).catch((error) => ({ error: error.stack ?? String(error) }))
    process.stdout.write(JSON.stringify(answer) + '\n')
  })
})
