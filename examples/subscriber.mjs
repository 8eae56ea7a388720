// Copies a project's events into a file, once each, whatever happens: one JSON value a line.
//   SCRIPTORIUM_TOKEN=scp_... node subscriber.mjs https://host PROJECT FILE
// The file itself says how far it has come, so state and output can never disagree.
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const [url, project, file] = process.argv.slice(2)
const written = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
const whole = written.subarray(0, written.lastIndexOf('\n') + 1) // a line that a crash cut is not
if (whole.length < written.length) truncateSync(file, whole.length)
let last = whole.length ? JSON.parse(whole.toString().trimEnd().split('\n').at(-1)).position : 0
let retry = 1000

const take = (block) => {
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) appendFileSync(file, `${line.slice(6)}\n`)
    if (line.startsWith('retry: ')) retry = Number(line.slice(7))
  }
  last = /^id: (.+)$/m.exec(block)?.[1] ?? last
}

for (;;) {
  try {
    const answer = await fetch(`${url}/api/projects/${project}/events`, {
      headers: { authorization: `Bearer ${process.env.SCRIPTORIUM_TOKEN}`, 'last-event-id': last }
    })
    if (!answer.ok) console.error(`${answer.status} ${await answer.text()}`)
    if ([400, 401, 403, 404, 410].includes(answer.status)) process.exit(1) // no retry can help
    let text = ''
    for await (const part of answer.ok ? answer.body.pipeThrough(new TextDecoderStream()) : []) {
      const blocks = (text + part).split('\n\n')
      text = blocks.pop()
      blocks.forEach(take)
    }
  } catch (error) {
    console.error(error.cause?.message ?? error.message)
  }
  await sleep(retry)
}
