// Uppy with its tus plugin, unmodified, as an application sets them up: many files at once, and which
// of them it calls successful.
import { createHash, randomBytes } from 'node:crypto'
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'

const { endpoint, token, count, size, chunkSize, retryDelays } = JSON.parse(process.argv[2])
const say = (value) => console.log(JSON.stringify(value))

const uppy = new Uppy({ autoProceed: false, logger: { debug() {}, warn() {}, error() {} } })
uppy.use(Tus, {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  ...(chunkSize && { chunkSize }),
  ...(retryDelays && { retryDelays })
})

const sums = {}
for (let number = 0; number < count; number += 1) {
  // The client for Node.js takes buffers; Uppy wants to know how large they are.
  const data = Object.assign(randomBytes(size), { size })
  const name = `page ${number}.bin`
  sums[name] = createHash('sha256').update(data).digest('hex')
  uppy.addFile({ name, type: 'application/octet-stream', data })
}

let sent = 0
uppy.on('upload-progress', (file, { bytesUploaded }) => {
  sent += 1
  if (sent % 20 === 1) say({ progress: bytesUploaded, of: file.name })
})

const result = await uppy.upload()
const told = (files) => files.map((file) => ({ name: file.name, sha256: sums[file.name], error: file.error ?? null }))
say({ successful: told(result.successful), failed: told(result.failed) })
// Timers of its progress would keep the process.
process.exit(0)
