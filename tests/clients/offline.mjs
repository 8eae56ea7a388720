// Both sides write while one is offline; on its return both have everything.
import { agree, check, Peer, scenario, stored, told, until } from './room.mjs'

scenario(async () => {
  const { ada, ben } = told.people
  const here = await new Peer(ada).synced()
  const away = await new Peer(ben).synced()
  here.type('The end of the beginning.')
  await away.reads('The end of the beginning.')

  away.provider.disconnect()
  here.type('Here: ', 0)
  here.text.delete(here.value.indexOf('beginning'), 'beginning'.length)
  here.type('story', here.value.indexOf('.'))
  away.type(' And away.')
  away.text.delete(0, 'The'.length)
  away.type('An', 0)
  const apart = here.value !== away.value
  away.provider.connect()
  await until('both agree', () => here.value === away.value && agree(here, away))
  const late = await new Peer(ada).synced()
  await until('a newcomer agrees', () => agree(here, late))

  check('they differed while apart', apart)
  return { text: here.value, newcomer: late.value, stored: await stored(ada) }
})
