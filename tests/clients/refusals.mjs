// Who may not enter is told why by a close code, and comes no further than the door.
import { randomUUID } from 'node:crypto'
import { Peer, scenario, told, until } from './room.mjs'

const ATTEMPTS = 20

scenario(async () => {
  const { ada, stranger } = told.people
  const once = async (person, options) => {
    const peer = new Peer(person, options)
    await until('refused', () => peer.closes.length > 0)
    const first = { code: peer.closes[0], synced: peer.syncs > 0, again: peer.provider.shouldConnect }
    peer.leave()
    return JSON.stringify(first)
  }
  // The code must arrive however the first words of both sides cross, so each is tried often.
  const attempt = async (person, options) => {
    const heard = new Set()
    for (let at = 0; at < ATTEMPTS; at += 1) heard.add(await once(person, options))
    return [...heard].map((one) => JSON.parse(one))
  }
  const forged = ada.token.slice(0, -8) + 'AAAAAAAA'
  return {
    nonsense: await attempt({ token: 'nonsense' }),
    forged: await attempt({ token: forged }),
    nothing: await attempt({ token: '' }),
    unknown: await attempt(ada, { scene: randomUUID() }),
    noScene: await attempt(ada, { scene: 'not-a-scene' }),
    stranger: await attempt(stranger)
  }
})
