// What every bound editor needs: a document on the scene, and the scene over HTTP.
import { createHash } from 'node:crypto'
import { WebsocketProvider } from 'y-websocket'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { told, until } from './room.mjs'

/** A document of the scene or of a branch, synced; roots are not yet typed. */
export const attach = async (person, branch) => {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(`${told.url.replace('http', 'ws')}/collab`, told.scene, doc, {
    WebSocketPolyfill: WebSocket,
    disableBc: true,
    params: { token: person.token, ...(branch && { branch }) }
  })
  await until('synced', () => provider.synced)
  return { doc, provider }
}

/** All structs and deletions of a document, whatever its types are. */
export const digest = (doc) =>
  createHash('sha256').update(Y.encodeSnapshot(Y.snapshot(doc))).digest('hex')

/** Read the scene over HTTP. */
export const read = async (person, format) => {
  const answer = await fetch(`${told.url}/api/scenes/${told.scene}/content?format=${format}`, {
    headers: { authorization: `Bearer ${person.token}` }
  })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  return ['blocks', 'prosemirror'].includes(format) ? answer.json() : answer.text()
}

/** The text, and where the scene stood then: the base of a PUT that is made from it. */
export const standing = async (person) => {
  const answer = await fetch(`${told.url}/api/scenes/${told.scene}/content`, {
    headers: { authorization: `Bearer ${person.token}` }
  })
  return { text: await answer.text(), baseStateVector: answer.headers.get('scriptorium-state-vector') }
}

export const readAll = async (person) => {
  const found = {}
  for (const format of ['text', 'markdown', 'blocks', 'prosemirror']) found[format] = await read(person, format)
  return found
}

/** Write the scene over HTTP; returns the answer. */
export const write = async (person, format, content, more = {}) => {
  const answer = await fetch(`${told.url}/api/scenes/${told.scene}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ format, content, ...more })
  })
  if (!answer.ok) throw new Error(`PUT ${answer.status} ${await answer.text()}`)
  return answer.json()
}
