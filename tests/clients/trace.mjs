// Recorded editing sessions (data/README.md), and texts and states to compare a replay with.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

export const load = (path) => JSON.parse(gunzipSync(readFileSync(path)))

/** Apply the patches of one txn to a Y.Text, as one transaction. */
export const apply = (text, { patches }) => {
  text.doc.transact(() => {
    for (const [at, deleted, inserted] of patches) {
      if (deleted) text.delete(at, deleted)
      if (inserted) text.insert(at, inserted)
    }
  }, 'typed')
}

/** A text that is fast to edit around one place: what lies before it, and after it reversed. */
export class Draft {
  #before = []
  #after = []

  edit ([at, deleted, inserted]) {
    while (this.#before.length > at) this.#after.push(this.#before.pop())
    while (this.#before.length < at) this.#before.push(this.#after.pop())
    for (let n = 0; n < deleted; n += 1) this.#after.pop()
    for (const char of inserted) this.#before.push(char)
  }

  toString () {
    return this.#before.join('') + this.#after.toReversed().join('')
  }
}

/**
 * For each txn of a trace of two agents, how many txns of the other agent it was typed after.
 * Each agent's own txns are in one line, so those counts say all about its causes.
 */
export const causes = (txns) => {
  const known = [] // per txn: how many txns of agent 0 and of agent 1 its author has with it
  const done = [0, 0]
  return txns.map(({ agent, parents }, index) => {
    const sees = [0, 0]
    for (const parent of parents) {
      for (const one of [0, 1]) sees[one] = Math.max(sees[one], known[parent][one])
    }
    if (sees[agent] !== done[agent]) throw new Error(`txn ${index} does not follow its author's last`)
    const others = sees[1 - agent]
    done[agent] += 1
    known.push(sees.with(agent, done[agent]))
    return others
  })
}

/**
 * Replay a trace of two agents without any network: one document each, the other's edits applied
 * exactly as far as the trace says. Returns the merged document and, per agent, what each of its
 * txns does: its update, the clock up to which it inserts, and the ids that it deletes.
 */
export const replay = (txns, clientIds) => {
  const needs = causes(txns)
  const docs = clientIds.map((id) => Object.assign(new Y.Doc(), { clientID: id }))
  const made = [[], []]
  const seen = [0, 0]
  docs.forEach((doc, agent) => doc.on('afterTransaction', (transaction) => {
    if (transaction.origin !== 'typed') return
    const deleted = []
    for (const [client, ranges] of transaction.deleteSet.clients) {
      for (const { clock, len } of ranges) deleted.push([client, clock, len])
    }
    made[agent].push({ clock: Y.getState(doc.store, doc.clientID), deleted })
  }))
  docs.forEach((doc, agent) => doc.on('update', (update, origin) => {
    if (origin === 'typed') made[agent].at(-1).update = update
  }))
  const follow = (agent, upto) => {
    const other = made[1 - agent]
    for (; seen[agent] < upto; seen[agent] += 1) Y.applyUpdate(docs[agent], other[seen[agent]].update)
  }
  txns.forEach((txn, index) => {
    follow(txn.agent, needs[index])
    apply(docs[txn.agent].getText('content'), txn)
  })
  follow(0, made[1].length)
  follow(1, made[0].length)
  return { doc: docs[0], other: docs[1], made, needs }
}
