// What every scenario needs: peers over an unmodified WebsocketProvider, and waits that end.
import { createHash } from 'node:crypto'
import process from 'node:process'
import * as decoding from 'lib0/decoding'
import { readAuthMessage } from 'y-protocols/auth'
import { WebsocketProvider } from 'y-websocket'
import WebSocket from 'ws'
import * as Y from 'yjs'

const AUTH = 2
const ACK = 100

/** What the test tells the scenario: {url, scene, people: {name: {id, name, token}}, ...}. */
export const told = JSON.parse(process.argv[2] ?? '{}')

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Wait until *condition* holds; returns the milliseconds it took. */
export const until = async (what, condition, limitMs = 5000) => {
  const began = performance.now()
  while (!condition()) {
    if (performance.now() - began > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await sleep(2)
  }
  return performance.now() - began
}

export const check = (what, holds) => {
  if (!holds) throw new Error(`not so: ${what}`)
}

/** One client of one scene: a document, its provider, and a log of what the server told it. */
export class Peer {
  /**
   * @param {{token: string}} person
   * @param {object} options scene, url, clientID, params and protocols, or connect: false
   */
  constructor (
    person,
    { scene = told.scene, url = told.url, clientID, params, protocols, connect = true } = {}
  ) {
    this.doc = new Y.Doc()
    if (clientID !== undefined) this.doc.clientID = clientID
    this.text = this.doc.getText('content')
    /** Close codes, in order; null where this side closed. */
    this.closes = []
    /** Reasons of the protocol's permission-denied messages. */
    this.denials = []
    /** Durable acknowledgements: {seq, count}. */
    this.acks = []
    /** How often the server's state was received. */
    this.syncs = 0
    /** How many edits were made here. */
    this.sent = 0
    this.provider = new WebsocketProvider(`${url.replace('http', 'ws')}/collab`, scene, this.doc, {
      WebSocketPolyfill: WebSocket,
      // Peers of one process must meet at the server, not behind its back.
      disableBc: true,
      params: params ?? { token: person.token },
      protocols: protocols ?? [],
      connect
    })
    this.doc.on('update', (_update, origin) => {
      if (origin !== this.provider) this.sent += 1
    })
    this.provider.on('sync', (state) => {
      if (state) this.syncs += 1
    })
    this.provider.on('connection-close', (event) => this.closes.push(event && event.code))
    this.provider.messageHandlers[AUTH] = (_encoder, decoder) => {
      readAuthMessage(decoder, this.doc, (_doc, reason) => this.denials.push(reason))
    }
    this.provider.messageHandlers[ACK] = (_encoder, decoder) => {
      const seq = decoding.readVarUint(decoder)
      this.acks.push({ seq, count: decoding.readVarUint(decoder) })
    }
  }

  get value () {
    return this.text.toString()
  }

  type (text, at = this.text.length) {
    this.text.insert(at, text)
  }

  async synced () {
    // Three systems may be starting beside this one; how fast a join is, the bench measures.
    await until('synced', () => this.provider.synced, 20_000)
    return this
  }

  async reads (text, limitMs) {
    const ms = await until(`the text ${JSON.stringify(text)}`, () => this.value === text, limitMs)
    return ms
  }

  leave () {
    this.provider.destroy()
  }
}

/** Everything that makes two replicas the same: text, structs and deletions. */
export const stateOf = (doc) => ({
  text: createHash('sha256').update(doc.getText('content').toString()).digest('hex'),
  chars: doc.getText('content').length,
  vector: Buffer.from(Y.encodeStateVector(doc)).toString('base64'),
  snapshot: createHash('sha256').update(Y.encodeSnapshot(Y.snapshot(doc))).digest('hex')
})

/** Whether peers hold the same state. */
export const agree = (...peers) => {
  const states = peers.map(({ doc }) => JSON.stringify(stateOf(doc)))
  return states.every((state) => state === states[0])
}

/** Ask the HTTP API as *person*; returns the answer's body. */
export const ask = async (person, method, path, body) => {
  const answer = await fetch(told.url + path, {
    method,
    headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body)
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? null : await answer.text()
}

/** Read the scene over HTTP. */
export const stored = (person, scene = told.scene) =>
  ask(person, 'GET', `/api/scenes/${scene}/content?format=text`)

/** Tell the test something before the end. */
export const tell = (news) => process.stdout.write(`${JSON.stringify(news)}\n`)

/** Run a scenario; its result is one line of JSON, its failure an exit code. */
export const scenario = async (run) => {
  process.on('unhandledRejection', (error) => {
    console.error(error)
    process.exit(1)
  })
  let code = 0
  try {
    tell(await run())
  } catch (error) {
    console.error(error)
    code = 1
  }
  // Providers keep timers that would keep the process.
  process.stdout.write('', () => process.exit(code))
}
