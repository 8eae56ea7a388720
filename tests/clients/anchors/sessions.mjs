// Records sessions of real editors with the truth about their anchors, one line of JSON each:
//   node sessions.mjs SEED [EDITOR=COUNT …] [operations=260]
import { readFileSync } from 'node:fs'
import { Diverged, Session } from './session.mjs'

const MANUSCRIPT = new URL('../../../data/manuscripts/frankenstein.json', import.meta.url)
const USUAL = ['prosemirror=16', 'tiptap=8', 'slate=8', 'codemirror=4', 'plain=4']
const TEXT_MIN = 4500
const PARAGRAPH_MAX = 600

const [seed = '1', ...told] = process.argv.slice(2)
const options = new Map((told.some((one) => !one.startsWith('operations')) ? told : [...USUAL, ...told])
  .map((one) => one.split('=')))
const operations = Number(options.get('operations') ?? 260)
options.delete('operations')

const paragraphs = JSON.parse(readFileSync(MANUSCRIPT, 'utf8')).chapters
  .flatMap((chapter) => chapter.paragraphs)
  .filter((one) => one.length > 40 && one.length < PARAGRAPH_MAX && !one.includes('\n'))

/** Return consecutive paragraphs of the novel with some thousand characters. */
const passage = (number) => {
  const found = []
  for (let at = number * 37 % paragraphs.length, length = 0; length < TEXT_MIN; at = (at + 1) % paragraphs.length) {
    found.push(paragraphs[at])
    length += paragraphs[at].length
  }
  return found
}

// What a binding throws in a task of its own shows in its text, which is compared after each operation.
process.on('unhandledRejection', () => {})

/** Record a session; another one in its place when its documents do not converge, which is rare. */
const record = async (told) => {
  try {
    return await Session.record(told)
  } catch (error) {
    if (!(error instanceof Diverged)) throw error
    console.warn(`${told.editor}, seed ${told.seed}: not converged`)
    return await record({ ...told, seed: told.seed + 50_000_017 })
  }
}

// Editors that nobody looks at complain of what they miss; only sessions belong on stdout.
console.log = console.info = console.warn
for (const [editor, count] of options) {
  const place = USUAL.findIndex((one) => one.startsWith(editor))
  for (let at = 0; at < Number(count); at++) {
    const own = (Number(seed) * 100 + place) * 1009 + at
    const session = await record({
      editor, seed: own, paragraphs: passage(own), two: at % 2 === 1, calm: at % 4 > 1, operations
    })
    if (!process.stdout.write(JSON.stringify(session) + '\n')) {
      await new Promise((resolve) => process.stdout.once('drain', resolve))
    }
  }
}
process.exit(0)
