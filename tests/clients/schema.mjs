// A scene names its editor schema: who is older reads, and is told why they may not write.
import { setTimeout as pause } from 'node:timers/promises'
import { Desk } from './desk.mjs'
import { ask, Peer, scenario, stored, told, until } from './room.mjs'

const { ada, ben } = told.people
const [first, second] = told.gateways
const SETTLE_MS = 300

const raise = async (schemaVersion) => {
  const path = `/api/scenes/${told.scene}`
  const { version } = JSON.parse(await ask(ada, 'GET', path))
  return JSON.parse(await ask(ada, 'PATCH', path, { schemaVersion, baseVersion: version }))
}

const declaring = (person, schema, url) => new Peer(person, {
  url, params: schema === undefined ? { token: person.token } : { token: person.token, schema }
})

scenario(async () => {
  const open = await declaring(ada, undefined, first).synced()
  open.type('Before. ')
  await pause(SETTLE_MS)
  const ungated = { text: await stored(ada), denials: [...open.denials] }

  // Open sockets follow: the one that declared nothing, an old one, a new one; and on /ws.
  const old = await declaring(ben, '2', second).synced()
  const current = await declaring(ada, '3', second).synced()
  const desk = new Desk(ben, { gateway: second })
  await desk.hello({ schemaVersion: 2 })
  const before = await desk.join()
  const newDesk = new Desk(ada, { gateway: first })
  await newDesk.hello({ schemaVersion: 2 })
  await newDesk.join(told.scene, { schemaVersion: 3 })
  const raised = await raise(3)
  const toldMs = await Promise.all([
    until('who declared nothing is told', () => open.denials.length),
    until('who is old is told', () => old.denials.length),
    until('who is old on /ws is told', () => desk.of('error').length)
  ])
  open.type('lost ')
  old.type('lost too ')
  desk.type('lost as well ')
  current.type('Kept. ')
  await until('the old one reads on', () => old.value.includes('Kept. '))
  await until('and the old one of /ws', () => desk.value().includes('Kept. '))
  await until('and the one who declared nothing', () => open.value.includes('Kept. '))
  newDesk.type('Kept too. ')
  await until('a new one of /ws writes', () => current.value.includes('Kept too. '))
  await pause(SETTLE_MS)
  const afterRaise = await stored(ada)

  // Newcomers.
  const lateOld = await declaring(ben, '2', first).synced()
  await until('told at the door', () => lateOld.denials.length)
  const lateBare = await declaring(ben, undefined, second).synced()
  await until('told at the door, too', () => lateBare.denials.length)
  const lateOdd = await declaring(ben, 'three', second).synced()
  await until('what is no version declares nothing', () => lateOdd.denials.length)
  const lateNew = await declaring(ben, '4', second).synced()
  const sizes = [lateOld, lateBare, lateNew].map(({ value }) => value === afterRaise)
  lateOld.type('no ')
  lateNew.type('Newest. ')
  await until('a newer one writes', () => current.value.includes('Newest. '))
  const lateDesk = new Desk(ben, { gateway: first })
  await lateDesk.hello()
  const lateSync = await lateDesk.join()
  await until('told at the desk', () => lateDesk.of('error').length)
  await pause(SETTLE_MS)
  const refusal = await fetch(`${first}/api/scenes/${told.scene}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ schemaVersion: 2, baseVersion: raised.version })
  })
  return {
    ungated,
    before: before.mayWrite,
    raised: raised.schemaVersion,
    toldMs,
    denials: {
      open: open.denials, old: old.denials, current: current.denials,
      lateOld: lateOld.denials, lateBare: lateBare.denials, lateOdd: lateOdd.denials, lateNew: lateNew.denials
    },
    desk: desk.of('error')[0],
    newDesk: newDesk.of('error'),
    lateDesk: { error: lateDesk.of('error')[0], mayWrite: lateSync.mayWrite },
    sizes,
    afterRaise,
    text: await stored(ada),
    closes: [open, old, current, desk, lateOld, lateBare].flatMap(({ closes }) => closes),
    lowered: { status: refusal.status, ...await refusal.json() }
  }
})
