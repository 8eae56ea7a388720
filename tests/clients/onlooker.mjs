// A provider answers the server's step 1 with all deletions it knows, even if it wrote nothing.
import { Peer, scenario, sleep, told, until } from './room.mjs'

const SHARED_ANSWER_MS = 5500 // the gateway may answer newcomers from an older state until then
const SETTLE_MS = 300

scenario(async () => {
  const { ada, ben } = told.people
  const writer = await new Peer(ada).synced()
  writer.type('there')
  writer.text.delete(0, 1)
  await sleep(SHARED_ANSWER_MS)
  const reader = await new Peer(ben).synced()
  await until('the text', () => reader.value === 'here')
  await sleep(SETTLE_MS)
  return { text: reader.value, denials: reader.denials }
})
