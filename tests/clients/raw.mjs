// What other clients do differently: frames in fragments, and the token in a header or, as a
// browser must, in a subprotocol.
import { once } from 'node:events'
import * as encoding from 'lib0/encoding'
import { writeUpdate } from 'y-protocols/sync'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { Peer, scenario, told, until } from './room.mjs'

const SYNC = 0

/** The message that a provider would send for typing *text*. */
const message = (text) => {
  const doc = new Y.Doc()
  doc.getText('content').insert(0, text)
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, SYNC)
  writeUpdate(encoder, Y.encodeStateAsUpdate(doc))
  return Buffer.from(encoding.toUint8Array(encoder))
}

scenario(async () => {
  const { ada } = told.people
  const address = `${told.url.replace('http', 'ws')}/collab/${told.scene}`
  const peer = await new Peer(ada).synced()
  const edits = async (socket, text, parts) => {
    await once(socket, 'open')
    const frame = message(text)
    const size = Math.ceil(frame.length / parts)
    for (let at = 0; at < frame.length; at += size) {
      const part = frame.subarray(at, at + size)
      socket.send(part, { binary: true, fin: at + size >= frame.length })
      // Control frames may come between fragments, and each may come in a packet of its own.
      socket.ping()
      await new Promise(setImmediate)
    }
    await until(`what came by ${text}`, () => peer.value.includes(text))
    const { protocol } = socket
    socket.close()
    return protocol
  }

  return {
    subprotocol: await edits(
      new WebSocket(address, ['scriptorium', `bearer.${ada.token}`]), 'browser ', 1),
    header: await edits(
      new WebSocket(address, { headers: { Authorization: `Bearer ${ada.token}` } }), 'header ', 1),
    fragments: await edits(
      new WebSocket(`${address}?token=${ada.token}`), 'in fragments '.repeat(50), 9),
    text: peer.value
  }
})
