// A plain Y.Text under every format.
import { read, write } from './editors.mjs'
import { Peer, scenario, stored, told } from './room.mjs'

scenario(async () => {
  const { ada } = told.people
  const peer = await new Peer(ada).synced()
  peer.type('one\ntwo 😀\nthree')
  await write(ada, 'blocks', [{ type: 'paragraph', text: 'begin' }]).catch(() => {})
  await peer.reads('begin')
  await write(ada, 'text', 'one\ntwo 😀\nthree')
  await peer.reads('one\ntwo 😀\nthree')
  const blocks = await read(ada, 'blocks')
  blocks[1].children[0].text += '!'
  await write(ada, 'blocks', blocks)
  await peer.reads('one\ntwo 😀!\nthree')
  const answer = await fetch(`${told.url}/api/scenes/${told.scene}/content`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ format: 'blocks', content: [{ type: 'heading', children: [{ text: 'x' }] }] })
  })
  const lines = (await read(ada, 'blocks')).map((block) => block.children.map((leaf) => leaf.text).join(''))
  const result = { lines, text: peer.value, seen: await stored(ada), refused: { status: answer.status, problem: await answer.json() } }
  peer.leave()
  return result
})
