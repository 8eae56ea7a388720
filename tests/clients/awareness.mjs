// Presence: seen soon, signed by the server, gone as soon as its client is.
import { Peer, scenario, told, until } from './room.mjs'

const CURSOR = { anchor: 3, head: 7 }

scenario(async () => {
  const { ada, ben } = told.people
  const watcher = await new Peer(ada).synced()
  const seen = (peer, by = watcher) => by.provider.awareness.getStates().get(peer.doc.clientID)
  const arrive = async () => {
    const peer = await new Peer(ben).synced()
    peer.provider.awareness.setLocalState({
      user: { id: ada.id, name: 'Somebody Else', color: '#30bced' },
      cursor: CURSOR
    })
    const seenMs = await until('presence is seen', () => seen(peer)?.cursor)
    return { peer, seenMs, state: seen(peer) }
  }

  const { peer, seenMs, state } = await arrive()
  peer.provider.awareness.setLocalStateField('cursor', { anchor: 8, head: 8 })
  const movedMs = await until('the cursor moved', () => seen(peer).cursor.anchor === 8)
  const late = await new Peer(ada).synced()
  const lateMs = await until('a newcomer sees who is there', () => seen(peer, late)?.cursor)

  // A client that speaks for another: what it says about itself afterwards proves it was heard.
  const { awareness } = late.provider
  awareness.meta.get(peer.doc.clientID).clock += 100
  awareness.states.set(peer.doc.clientID, { user: { name: 'Hijacked' } })
  awareness.emit('update', [{ added: [], updated: [peer.doc.clientID], removed: [] }, 'local'])
  awareness.setLocalStateField('spoke', true)
  await until('the impostor is heard', () => seen(late)?.spoke)
  const spokenFor = seen(peer)

  peer.provider.shouldConnect = false
  peer.provider.ws.close()
  const closedMs = await until('it is gone after close', () => !seen(peer))
  const other = await arrive()
  other.peer.provider.shouldConnect = false
  other.peer.provider.ws._socket.destroy()
  const brokenMs = await until('it is gone after its socket broke', () => !seen(other.peer))

  return { state, seenMs, movedMs, lateMs, spokenFor, closedMs, brokenMs }
})
