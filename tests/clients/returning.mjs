// Who comes back is seen at once, what was written offline counts, and one Yjs client is one socket.
import { Peer, scenario, told, until } from './room.mjs'

const { ada, ben } = told.people
/** A client ignores what it knew before until its owner renews it, after 15 seconds. */
const SOON_MS = 8_000
const seen = (peer, by) => by.provider.awareness.getStates().has(peer.doc.clientID)
const eachOther = (one, other) => seen(one, other) && seen(other, one)

const back = async (drop) => {
  const one = await new Peer(ada).synced()
  const other = await new Peer(ben).synced()
  one.provider.awareness.setLocalState({ cursor: 1 })
  other.provider.awareness.setLocalState({ cursor: 2 })
  await until('both are seen', () => eachOther(one, other), 20_000)
  drop(one.provider)
  await until('it is gone', () => !seen(one, other), 20_000)
  one.provider.connect()
  await until('both are seen again', () => eachOther(one, other), SOON_MS)
  one.leave()
  other.leave()
}

const offline = async () => {
  const peer = await new Peer(ada, { params: { token: ada.token, acks: '1' } }).synced()
  peer.provider.disconnect()
  peer.type('written ')
  peer.type('offline')
  peer.acks.length = 0
  peer.provider.connect()
  await until('step 2 counts', () => peer.acks.at(-1)?.count === 1, 20_000)
  peer.type('!')
  await until('so does what follows', () => peer.acks.at(-1)?.count === 2, 20_000)
  const text = peer.value
  peer.leave()
  return text
}

const twice = async () => {
  const first = await new Peer(ada, { clientID: 77 }).synced()
  first.provider.awareness.setLocalState({ cursor: 1 })
  const watcher = await new Peer(ben).synced()
  await until('the first is seen', () => seen(first, watcher), 20_000)
  const intruder = new Peer(ben, { clientID: 77 })
  intruder.provider.awareness.setLocalState({ cursor: 2 })
  await until('somebody else is told', () => intruder.closes.length > 0, 20_000)
  const second = await new Peer(ada, { clientID: 77 }).synced()
  second.provider.awareness.setLocalState({ cursor: 3 })
  await until('the older one is told', () => first.closes.length > 0, 20_000)
  return { first: first.closes, second: second.closes, intruder: intruder.closes }
}

scenario(async () => {
  await back((provider) => provider.ws.terminate())
  await back((provider) => provider.disconnect())
  return { text: await offline(), closes: await twice() }
})
