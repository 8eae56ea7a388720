// Somebody types, acknowledged durably, while the API puts large contents into the same scene.
import { standing, write } from './editors.mjs'
import { Peer, scenario, sleep, stored, told, until } from './room.mjs'

const percentile = (times, share) => [...times].sort((a, b) => a - b)[Math.floor((times.length - 1) * share)]

scenario(async () => {
  const { ada, ben } = told.people
  const typist = await new Peer(ben, { params: { token: ben.token, acks: '1' } }).synced()
  const seqs = []
  let typed = 0
  /** Type one letter each 20 ms while *going*; returns the ms until each was durable. */
  const type = async (going) => {
    const times = []
    while (going()) {
      const began = performance.now()
      const before = typist.acks.length
      typist.type('·', 0)
      typed += 1
      await until('durable', () => typist.acks.length > before, 20_000)
      seqs.push(typist.acks.at(-1).seq)
      times.push(performance.now() - began)
      await sleep(Math.max(0, 20 - (performance.now() - began)))
    }
    return times
  }
  const figures = (times) => ({ p50: percentile(times, 0.5), p95: percentile(times, 0.95), max: Math.max(...times) })

  await write(ada, 'text', 'warm')
  await typist.reads('warm')
  const end = performance.now() + 3000
  const quiet = await type(() => performance.now() < end)

  let pasting = true
  const putMs = []
  const pasted = []
  const paste = async () => {
    for (let nth = 0; nth < told.pastes; nth++) {
      const began = performance.now()
      // Another text each time, from the state of now: what is typed meanwhile must survive.
      const body = `paste ${nth} ${`words ${nth} of an agent 😀 `.repeat(told.bytes / 26)}`
      const { text, baseStateVector } = await standing(ada)
      const base = text.split('paste')[0]
      const { seq } = await write(ada, 'text', base + body, { baseStateVector })
      pasted.push(seq)
      putMs.push(performance.now() - began)
    }
    pasting = false
  }
  const [beside] = await Promise.all([type(() => pasting), paste()])
  await until('all heard', async () => true)
  const last = await stored(ada)
  await typist.reads(last, 20_000)
  const own = new Set(seqs)
  let pieces = 0
  let between = 0
  // Log numbers before a paste's last piece that are not the typist's are pieces.
  for (let seq = Math.min(...seqs); seq <= Math.max(...pasted); seq++) if (!own.has(seq)) pieces += 1
  for (const seq of seqs) if (!own.has(seq - 1) && !own.has(seq + 1) && seq < Math.max(...pasted)) between += 1
  const result = {
    quiet: figures(quiet), beside: figures(beside), putMs, pieces, between, typed, text: typist.value, closes: [...typist.closes]
  }
  typist.leave()
  return result
})
