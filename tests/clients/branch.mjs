// A branch is edited live like a scene, and merged into it under open editors.
import { agree, ask, check, Peer, scenario, sleep, told, until } from './room.mjs'

const path = `/api/scenes/${told.scene}`

const at = (person, branch) => new Peer(person, { params: { token: person.token, branch } })

scenario(async () => {
  const { ada, ben } = told.people
  const scene = await new Peer(ada).synced()
  scene.type('The first line.\nThe second line.\n')
  while (!JSON.parse(await ask(ada, 'GET', `${path}/history`)).items.length) await sleep(20)
  const { id } = JSON.parse(await ask(ada, 'POST', `${path}/branches`, { name: 'Live' }))

  const one = await at(ada, id).synced()
  const other = await at(ben, id).synced()
  await until('it begins as the scene is', () => one.value === scene.value && agree(one, other))
  other.type('In the branch. ', 0)
  await one.reads(other.value)
  scene.type('In the scene.\n')
  await sleep(200)
  const apart = { scene: scene.value, branch: one.value }

  const merged = JSON.parse(await ask(ben, 'POST', `${path}/branches/${id}/merge`, {}))
  await until('the scene has it', () => scene.value.startsWith('In the branch. '))

  // A closed branch is read only, for those who come, and a stranger's id opens nothing.
  await ask(ada, 'DELETE', `${path}/branches/${id}`)
  const late = await at(ben, id).synced()
  late.type('too late', 0)
  await until('it is refused', () => late.denials.length > 0)
  const lost = at(ada, '01890a5d-ac96-774b-bcce-b302099a8057')
  const junk = at(ada, 'junk')
  await until('closed', () => lost.closes.length > 0 && junk.closes.length > 0)
  lost.leave()
  junk.leave()
  check('the branch did not move', one.value === apart.branch)
  return { apart, merged, scene: scene.value, denied: late.denials[0], closes: [lost.closes[0], junk.closes[0]] }
})
