// tus-js-client, unmodified: uploads through whatever happens, and goes on where it was.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import * as tus from 'tus-js-client'

const told = JSON.parse(process.argv[2])
const { endpoint, token, size, chunkSize, stopAt, resumeAt, metadata, count } = told
const say = (value) => console.log(JSON.stringify(value))

// The same bytes each time, hard to compress.
const noise = (seed) => {
  const bytes = Buffer.alloc(size)
  for (let n = 0, state = seed; n < size; n += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[n] = state >>> 16
  }
  return bytes
}
const sumOf = (bytes) => createHash('sha256').update(bytes).digest('hex')
const body = noise(7)
const sha256 = sumOf(body)

const upload = (more, body) => new Promise((resolve, reject) => {
  const statuses = []
  const source = told.deferred ? Readable.from([body.subarray(0, 999), body.subarray(999)]) : body
  const running = new tus.Upload(source, {
    endpoint,
    chunkSize: chunkSize ?? Infinity,
    uploadLengthDeferred: Boolean(told.deferred),
    overridePatchMethod: Boolean(told.overridePatchMethod),
    retryDelays: [50, 100, 200, 400, 800, 1600, ...Array(20).fill(3200)],
    headers: { Authorization: `Bearer ${token}` },
    metadata: { filename: 'noise ¿ 1.bin', filetype: 'application/octet-stream', ...metadata },
    onAfterResponse: (_, answer) => { statuses.push(answer.getStatus()) },
    onChunkComplete: async (_, accepted) => {
      say({ accepted, url: running.url })
      if (more.stopAt !== undefined && accepted >= more.stopAt && accepted < size) {
        await running.abort()
        resolve({ url: running.url, accepted, statuses })
      }
    },
    onSuccess: () => resolve({ url: running.url, accepted: size, statuses }),
    onError: reject,
    ...more.options
  })
  running.start()
})

// Many files at once, each an upload of its own: which of them the client calls successful.
const uploadMany = async () => {
  const files = Array.from({ length: count }, (_, number) => noise(number + 1))
  const ends = await Promise.allSettled(files.map((file) => upload({}, file)))
  const told = (status) => files.flatMap((file, number) => ends[number].status === status
    ? [{ name: number, sha256: sumOf(file), error: ends[number].reason?.message ?? null }] : [])
  say({ successful: told('fulfilled'), failed: told('rejected') })
}

if (count) {
  await uploadMany()
  process.exit(0)
}
try {
  let done = await upload({ stopAt }, body)
  if (resumeAt && done.accepted < size) {
    const uploadUrl = new URL(new URL(done.url).pathname, resumeAt).href
    const before = done
    done = await upload({ options: { uploadUrl, endpoint: undefined } }, body)
    done.before = before.accepted
  }
  if (told.terminate) await tus.Upload.terminate(done.url, { headers: { Authorization: `Bearer ${token}` } })
  say({ ...done, sha256, size })
} catch (error) {
  say({ failed: error.message, status: error.originalResponse?.getStatus() ?? null, sha256, size })
}
