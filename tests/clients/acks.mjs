// acks=1: the server says how many of this socket's edits are on disk, and under which sequence.
import { Peer, scenario, sleep, stateOf, tell, told, until } from './room.mjs'

const { ada } = told.people
const params = { token: ada.token, acks: '1' }

/** Type *edits* letters; the scene's text says which of them arrived. */
const all = async () => {
  const peer = await new Peer(ada, { params }).synced()
  for (let at = 0; at < told.edits; at += 1) {
    peer.type(String.fromCharCode(97 + at % 26))
    if (at % 7 === 0) await new Promise(setImmediate)
  }
  await until('all are acknowledged', () => peer.acks.at(-1)?.count === peer.sent, 20_000)
  const silent = await new Peer(ada).synced()
  silent.type('.')
  await peer.reads(silent.value)
  return {
    sent: peer.sent,
    last: peer.acks.at(-1),
    rising: peer.acks.every((ack, at) => !at || ack.seq >= peer.acks[at - 1].seq),
    toOthers: silent.acks.length,
    state: stateOf(peer.doc)
  }
}

/** Type until the socket breaks; what was acknowledged by then must outlive everything. */
const untilKilled = async () => {
  const peer = await new Peer(ada, { params }).synced()
  peer.provider.shouldReconnect = () => false
  let text = ''
  let announced = false
  while (!peer.closes.length) {
    const letter = String.fromCharCode(97 + text.length % 26)
    peer.type(letter)
    text += letter
    if (!announced && peer.acks.length >= told.acks) {
      announced = true
      tell({ typing: true })
    }
    await sleep(1)
  }
  return { text, acknowledged: peer.acks.at(-1).count }
}

scenario(told.untilKilled ? untilKilled : all)
