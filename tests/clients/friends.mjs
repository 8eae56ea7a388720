// One of the two people of a recorded session, typing it again through the server.
//
// A txn's positions mean the text its author saw, so an agent must have exactly the causes of a
// txn when typing it: no less, and no more. Its provider hears the other's edits whenever they
// come, merged as the server likes, into a document of its own (the wire). The agent types into
// another (the desk), which takes over the other's next edit when the trace says that it had been
// seen, after the wire has all of it: that wait is the proof that causes arrive before effects.
import * as Y from 'yjs'
import { check, Peer, scenario, sleep, stateOf, stored, told, until } from './room.mjs'
import { apply, load, replay } from './trace.mjs'

const BURST = 32
const BUFFERED_BYTES_MAX = 64 * 1024
const STUCK_MS = 20_000
const CLIENT_IDS = [1001, 1002]

/** Which deletions a document has heard of. */
const deletions = (doc) => {
  const known = new Set()
  doc.on('afterTransaction', ({ deleteSet }) => {
    for (const [client, ranges] of deleteSet.clients) {
      for (const { clock, len } of ranges) {
        for (let at = clock; at < clock + len; at += 1) known.add(`${client} ${at}`)
      }
    }
  })
  return known
}

const take = async (agent, wire, deleted, txns, oracle) => {
  const desk = Object.assign(new Y.Doc(), { clientID: CLIENT_IDS[agent] })
  const text = desk.getText('content')
  desk.on('update', (update, origin) => {
    if (origin === 'typed') Y.applyUpdate(wire.doc, update, 'desk')
  })
  const friend = CLIENT_IDS[1 - agent]
  const theirs = oracle.made[1 - agent]
  const arrived = ({ clock, deleted: gone }) =>
    Y.getState(wire.doc.store, friend) >= clock &&
    gone.every(([client, from, len]) => {
      for (let at = from; at < from + len; at += 1) if (!deleted.has(`${client} ${at}`)) return false
      return true
    })
  let seen = 0
  let waits = 0
  let typed = 0
  for (const [index, txn] of txns.entries()) {
    if (txn.agent !== agent) continue
    for (; seen < oracle.needs[index]; seen += 1) {
      if (!arrived(theirs[seen])) {
        waits += 1
        await until(`edit ${seen} of the other, for txn ${index}`, () => arrived(theirs[seen]), STUCK_MS)
      }
      Y.applyUpdate(desk, theirs[seen].update, 'friend')
    }
    apply(text, txn)
    typed += 1
    if (typed % BURST === 0) await sleep(0)
    while (wire.provider.ws?.bufferedAmount > BUFFERED_BYTES_MAX) await sleep(1)
  }
  return { typed, waits }
}

scenario(async () => {
  const { txns, endContent } = load(told.trace)
  const oracle = replay(txns, CLIENT_IDS)
  const expected = stateOf(oracle.doc)
  check('both replicas of the local replay agree',
    JSON.stringify(expected) === JSON.stringify(stateOf(oracle.other)))

  const person = told.people[told.who]
  const wire = new Peer(person, { connect: false })
  const deleted = deletions(wire.doc)
  wire.provider.connect()
  await wire.synced()
  const began = performance.now()
  const done = told.agent === undefined ? {} : await take(told.agent, wire, deleted, txns, oracle)
  await until('everything is here', () =>
    JSON.stringify(stateOf(wire.doc)) === JSON.stringify(expected), STUCK_MS)
  // A writer's own last edits may still be on their way; what a newcomer was shown is stored.
  const ms = performance.now() - began
  let text = await stored(person)
  for (let tries = 0; told.agent !== undefined && text !== endContent && tries < 100; tries += 1) {
    await sleep(50)
    text = await stored(person)
  }
  return {
    ...done,
    ms,
    state: stateOf(wire.doc),
    expected,
    isEndContent: wire.value === endContent,
    stored: text === endContent,
    reconnects: wire.closes.length
  }
})
