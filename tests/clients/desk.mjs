// A client of /ws written as an application would write it: plain WebSocket, JSON, a Yjs document.
import WebSocket from 'ws'
import * as Y from 'yjs'
import { told, until } from './room.mjs'

const REMOTE = Symbol('from the server')

export const base64 = (bytes) => Buffer.from(bytes).toString('base64')
export const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))
export const EMPTY = new Uint8Array([0, 0])

/** One socket; `heard` has every event, in order. */
export class Desk {
  /**
   * @param {{id: string, token: string}} person
   * @param {object} options gateway: base URL; token: 'hello' | 'query' | 'header' | 'subprotocol'
   */
  constructor (person, { gateway = told.url, token = 'hello' } = {}) {
    const url = `${gateway.replace('http', 'ws')}/ws`
    this.person = person
    this.tokenBy = token
    this.heard = []
    this.closes = []
    this.papers = new Map()
    this.ws = token === 'query'
      ? new WebSocket(`${url}?token=${person.token}`)
      : token === 'header'
        ? new WebSocket(url, { headers: { authorization: `Bearer ${person.token}` } })
        : token === 'subprotocol'
          ? new WebSocket(url, ['scriptorium', `bearer.${person.token}`])
          : new WebSocket(url)
    this.ws.on('message', (data, isBinary) => {
      if (isBinary) throw new Error('binary on /ws')
      this.#take(JSON.parse(data.toString()))
    })
    this.ws.on('close', (code) => this.closes.push(code))
    this.ws.on('error', () => {})
    this.opened = new Promise((resolve) => this.ws.once('open', resolve))
  }

  say (type, fields = {}) {
    this.ws.send(JSON.stringify({ type, ...fields }))
  }

  of (type, scene) {
    return this.heard.filter((event) => event.type === type && (!scene || event.sceneId === scene))
  }

  /** Wait for an event beyond those heard so far; returns it. */
  async next (type, from = this.heard.length, limitMs = 5000) {
    const find = () => this.heard.slice(from).find((event) => event.type === type)
    await until(`${type}, not ${JSON.stringify(this.heard.slice(-3))}`, find, limitMs)
    return find()
  }

  async hello (fields = {}) {
    await this.opened
    const from = this.heard.length
    this.say('client.hello', {
      userId: this.person.id,
      projectId: told.project,
      sceneId: told.scene,
      e2ee: false,
      token: this.tokenBy === 'hello' ? this.person.token : undefined,
      ...fields
    })
    return await this.next('server.ready', from)
  }

  /** Join a scene with a document; sends what the server lacks. Returns the doc.sync. */
  async join (scene = told.scene, { doc = new Y.Doc(), vector = false, push = true, ...fields } = {}) {
    let paper = this.papers.get(scene)
    if (!paper) {
      paper = { doc, sent: 0 }
      this.papers.set(scene, paper)
      doc.on('update', (update, origin) => {
        if (origin !== REMOTE && this.papers.get(scene) === paper) this.push(scene, update)
      })
    }
    paper.sent = 0
    paper.online = false
    const from = this.heard.length
    this.say('join.scene', {
      sceneId: scene,
      user: { id: this.person.id, name: 'whatever I say' },
      stateVector: vector ? base64(Y.encodeStateVector(doc)) : undefined,
      ...fields
    })
    const sync = await this.next('doc.sync', from)
    paper.online = true
    if (push) this.push(scene, Y.encodeStateAsUpdate(doc, bytes(sync.stateVector)))
    return sync
  }

  push (scene, update, ref) {
    const paper = this.papers.get(scene)
    if (!paper.online || this.ws.readyState !== WebSocket.OPEN) return
    paper.sent += 1
    this.say('editor.update', { sceneId: scene, ydocUpdateBase64: base64(update), ref })
  }

  leave (scene = told.scene) {
    this.say('leave.scene', { sceneId: scene })
    this.papers.delete(scene)
  }

  doc (scene = told.scene) {
    return this.papers.get(scene).doc
  }

  text (scene = told.scene) {
    return this.doc(scene).getText('content')
  }

  value (scene = told.scene) {
    return this.text(scene).toString()
  }

  type (text, at, scene = told.scene) {
    const content = this.text(scene)
    content.insert(at ?? content.length, text)
  }

  async reads (text, scene = told.scene, limitMs) {
    const what = () => `/ws reads ${JSON.stringify(text)}, has ${JSON.stringify(this.value(scene))}`
    return await until(what(), () => this.value(scene) === text, limitMs)
  }

  acked (scene = told.scene) {
    return this.of('editor.ack', scene).at(-1)
  }

  close () {
    this.ws.close()
  }

  #take (event) {
    this.heard.push(event)
    const paper = this.papers.get(event.sceneId)
    if (!paper) return
    if (event.type === 'doc.sync') Y.applyUpdate(paper.doc, bytes(event.update), REMOTE)
    if (event.type === 'editor.update') {
      Y.applyUpdate(paper.doc, bytes(event.ydocUpdateBase64), REMOTE)
    }
  }
}

/** The newest of what a desk was told about a person's presence. */
export const seenBy = (desk, userId, scene = told.scene) => {
  let found
  for (const event of desk.heard) {
    if (event.sceneId !== scene) continue
    if (event.type === 'presence.update' && event.userId === userId) found = event
    if (event.type === 'presence.list') found = event.users.find((user) => user.userId === userId)
  }
  return found
}
