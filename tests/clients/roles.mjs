// What a role allows on an open socket, and how soon a change of role is felt there.
import { ask, Peer, scenario, sleep, stored, told, until } from './room.mjs'

const SETTLE_MS = 300

scenario(async () => {
  const { ada, ben } = told.people
  const member = `/api/projects/${told.project}/members/${ben.id}`
  const owner = await new Peer(ada).synced()
  const guest = await new Peer(ben).synced() // a READER, says the test

  owner.type('Once')
  await guest.reads('Once')
  guest.type(' refused')
  await until('a reader is told', () => guest.denials.length > 0)
  owner.type(' upon')
  await until('the reader receives after that', () => guest.value.includes('upon'))
  await sleep(SETTLE_MS)
  const asReader = { owner: owner.value, stored: await stored(ada), denials: [...guest.denials] }
  guest.leave()

  const writer = await new Peer(ben).synced()
  await ask(ada, 'PUT', member, { role: 'WRITER' })
  const upgradedMs = await until('an upgrade lets the open socket write', () => {
    if (writer.sent < 1) writer.type(' a')
    else if (writer.denials.length) {
      // Refused once more: what was refused is only sent again in a new sync.
      writer.denials.length = 0
      writer.provider.ws.close()
    }
    return owner.value === 'Once upon a'
  })

  await ask(ada, 'PUT', member, { role: 'READER' })
  const downgradedMs = await until('a downgrade is felt', () => {
    if (!writer.denials.length) writer.type('!')
    return writer.denials.length > 0
  })
  await sleep(SETTLE_MS)
  const whenDowngraded = owner.value
  writer.type(' refused again')
  await sleep(SETTLE_MS)
  const afterDowngrade = owner.value

  await ask(ada, 'PUT', member, { role: 'WRITER' })
  const again = await new Peer(ben).synced()
  await ask(ada, 'DELETE', member)
  const removedMs = await until('removal closes the socket', () => again.closes.length > 0)
  again.type(' too late')
  await sleep(SETTLE_MS)
  return {
    asReader,
    upgradedMs,
    downgradedMs,
    refusedAfterDowngrade: whenDowngraded === afterDowngrade,
    removedMs,
    closes: again.closes.slice(0, 1),
    owner: owner.value,
    stored: await stored(ada)
  }
})
