// Follows each character of a document by the identity of its origin, whatever Yjs ids it has at the moment.
import * as Y from 'yjs'

/** An id of Yjs as one number: clocks of a recorded session stay far below 2²⁰, clients below 2³². */
const CLOCKS = 2 ** 20
const keyOf = (client, clock) => client * CLOCKS + clock
/** Return what Yjs calls the id of a character. */
export const idOf = (key) => ({ client: Math.floor(key / CLOCKS), clock: key % CLOCKS })
const SEPARATOR = -1
/** Shorter runs of text are too common to be recognised. */
const GUESS_MIN = 4

/** @typedef {{text: string, ids: number[]}} Reading The flat text; -1 where a line feed only separates two blocks. */
/** @typedef {{text: string, uids: number[]}} Lived The flat text with the identity of each UTF-16 unit. */

/**
 * Return all lines below `type`: one for each block that holds text, or could.
 * @returns {Array<{text: string, ids: number[]}>}
 */
const linesOf = (type) => {
  const line = { text: '', ids: [] }
  const nested = []
  const runs = [type]
  while (runs.length) {
    for (let item = runs.pop()._start; item; item = item.right) {
      if (item.deleted) continue
      if (item.content instanceof Y.ContentString) {
        line.text += item.content.str
        for (let at = 0; at < item.length; at++) line.ids.push(keyOf(item.id.client, item.id.clock + at))
      } else if (item.content instanceof Y.ContentType) {
        const child = item.content.type
        const isRun = child instanceof Y.XmlText && !(type instanceof Y.XmlText)
        if (isRun) runs.push(child)
        else nested.push(...linesOf(child))
      }
    }
  }
  return nested.length ? nested : [line]
}

/**
 * Return what a root shows, as `format=text` of the server does.
 * @returns {Reading}
 */
export const read = (root) => {
  const lines = linesOf(root)
  const ids = []
  lines.forEach((line, at) => {
    if (at) ids.push(SEPARATOR)
    for (const id of line.ids) ids.push(id)
  })
  return { text: lines.map((line) => line.text).join('\n'), ids }
}

/** Return for each id that an undo or redo made the id it was made from. */
const redone = (doc) => {
  const found = new Map()
  for (const structs of doc.store.clients.values()) {
    for (const item of structs) {
      if (!item.redone) continue
      for (let at = 0; at < item.length; at++) {
        found.set(keyOf(item.redone.client, item.redone.clock + at), keyOf(item.id.client, item.id.clock + at))
      }
    }
  }
  return found
}

/** Which character each Yjs id is. One for all people of a session. */
export class Ledger {
  #uids = new Map()
  #next = 0
  /** Characters whose origin could only be guessed from the text around them. */
  guessed = 0

  fresh () {
    return this.#next++
  }

  /** @returns {Lived} */
  lived ({ text, ids }) {
    return { text, uids: ids.map((id) => this.#uids.get(id) ?? SEPARATOR) }
  }

  /** Say which characters the ids of `reading` are; both have the same text. */
  assign ({ ids }, uids) {
    ids.forEach((id, at) => {
      if (id === SEPARATOR) return
      this.#uids.set(id, uids[at] === SEPARATOR ? this.fresh() : uids[at])
    })
  }

  /** Learn ids that nobody foretold: an undo made them, or an editor that puts something right. */
  adopt (doc, reading, before) {
    const unknown = reading.ids.flatMap((id, at) => id === SEPARATOR || this.#uids.has(id) ? [] : [at])
    if (!unknown.length) return
    const origins = redone(doc)
    const left = unknown.filter((at) => {
      let origin = reading.ids[at]
      while (origins.has(origin) && !this.#uids.has(origin)) origin = origins.get(origin)
      if (this.#uids.has(origin)) this.#uids.set(reading.ids[at], this.#uids.get(origin))
      return !this.#uids.has(origin)
    })
    if (left.length) this.#guess(reading, before, left)
  }

  /** Guess which characters of `before` that are gone have come back at the places `left`. */
  #guess (reading, before, left) {
    const alive = new Set(this.lived(reading).uids)
    const gone = before.uids.flatMap((uid, at) => uid === SEPARATOR || alive.has(uid) ? [] : [at])
    const lost = gone.map((at) => before.text[at]).join('')
    for (let at = 0; at < left.length;) {
      let end = at + 1
      while (end < left.length && left[end] === left[end - 1] + 1) end++
      const run = left.slice(at, end)
      const text = run.map((place) => reading.text[place]).join('')
      const found = text.length >= GUESS_MIN ? lost.indexOf(text) : -1
      run.forEach((place, k) => {
        if (reading.text[place] !== '\n') this.guessed++
        this.#uids.set(reading.ids[place], found < 0 ? this.fresh() : before.uids[gone[found + k]])
      })
      at = end
    }
  }
}
