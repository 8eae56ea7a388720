// A provider that hears nothing for 30 s takes the server for dead; one alone in its scene, whose
// person only reads, must not.
import { Peer, scenario, sleep, told } from './room.mjs'

scenario(async () => {
  const peer = await new Peer(told.people.ada).synced()
  await sleep(told.idle_ms)
  return { closes: peer.closes, connected: peer.provider.wsconnected }
})
