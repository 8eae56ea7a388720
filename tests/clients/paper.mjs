// A whole paper, typed key by key by one client; another follows, and newcomers keep arriving.
//
// Each edit of this trace is one character inserted or deleted by one author, so the count of
// inserted characters (the author's clock) and the length of a text tell which prefix of the
// trace it must be.
import * as Y from 'yjs'
import { check, Peer, scenario, sleep, stateOf, stored, told, until } from './room.mjs'
import { apply, Draft, load } from './trace.mjs'

const AUTHOR = 7001
const EDITS_PER_TICK = 200
const BUFFERED_BYTES_MAX = 256 * 1024
const END_MS = 100_000

const { txns, endContent } = load(told.trace)

/** How many edits *peer* has. */
const editsOf = ({ doc, text }) => {
  const clock = Y.getState(doc.store, AUTHOR)
  return clock + (clock - text.length)
}

const write = async (person) => {
  const peer = await new Peer(person, {
    clientID: AUTHOR, params: { token: person.token, acks: '1' }
  }).synced()
  await until('the follower is here', () => peer.provider.awareness.getStates().size > 1, 20_000)
  const began = performance.now()
  for (const [at, txn] of txns.entries()) {
    apply(peer.text, txn)
    if (at % EDITS_PER_TICK === 0) await sleep(0)
    while (peer.provider.ws?.bufferedAmount > BUFFERED_BYTES_MAX) await sleep(1)
  }
  const typedMs = performance.now() - began
  await until('all is durable', () => peer.acks.at(-1)?.count === txns.length, END_MS)
  return {
    typedMs,
    durableMs: performance.now() - began,
    edits: txns.length,
    state: stateOf(peer.doc),
    stored: await stored(person) === peer.value,
    isEndContent: peer.value === endContent,
    reconnects: peer.closes.length
  }
}

const follow = async (person) => {
  const follower = await new Peer(person).synced()
  // y-protocols ignores the state that a provider starts with; this one is seen.
  follower.provider.awareness.setLocalStateField('follows', true)
  const newcomers = []
  const glimpses = []
  const look = (who, peer) => glimpses.push({ who, edits: editsOf(peer), text: peer.value })
  const marks = [0.1, 0.3, 0.5, 0.7, 0.9].map((share) => Math.floor(share * txns.length))
  await until('the first edit', () => editsOf(follower) > 0, 60_000)
  const began = performance.now()
  await until('the end', () => {
    const edits = editsOf(follower)
    if (newcomers.length < marks.length && edits >= marks[newcomers.length]) {
      look('follower', follower)
      const peer = new Peer(person)
      const arrived = performance.now()
      newcomers.push({ peer, heardOf: edits })
      peer.provider.once('sync', () => {
        // At this very moment: before anything that is still on its way to this client.
        look('newcomer', peer)
        Object.assign(newcomers.find((one) => one.peer === peer), {
          synced: editsOf(peer), syncMs: performance.now() - arrived
        })
      })
    }
    return edits === txns.length
  }, END_MS)
  const followedMs = performance.now() - began
  const state = JSON.stringify(stateOf(follower.doc))
  await until('the newcomers have all', () =>
    newcomers.every(({ peer }) => JSON.stringify(stateOf(peer.doc)) === state), 20_000)

  const draft = new Draft()
  let drafted = 0
  for (const { who, edits, text } of glimpses.toSorted((a, b) => a.edits - b.edits)) {
    for (; drafted < edits; drafted += 1) txns[drafted].patches.forEach((patch) => draft.edit(patch))
    check(`what the ${who} saw is the text after ${edits} edits`, draft.toString() === text)
  }
  return {
    followedMs,
    state: stateOf(follower.doc),
    glimpses: glimpses.length,
    newcomers: newcomers.map(({ heardOf, synced, syncMs }) => ({ heardOf, synced, syncMs })),
    reconnects: follower.closes.length
  }
}

scenario(() => told.who === 'writer' ? write(told.people.ada) : follow(told.people.ben))
