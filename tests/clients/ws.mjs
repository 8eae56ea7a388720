// /ws beside /collab: one room, whatever its people speak, over two gateways.
import { setTimeout as pause } from 'node:timers/promises'
import * as Y from 'yjs'
import { base64, bytes, Desk, EMPTY, seenBy } from './desk.mjs'
import { agree, ask, check, Peer, scenario, stored, told, until } from './room.mjs'

const { ada, ben } = told.people
const [first, second] = told.gateways
const SETTLE_MS = 300

const peerStates = (peer) => [...peer.provider.awareness.getStates().values()]
const personAt = (peer, id) => peerStates(peer).find((state) => state.user?.id === id)

const parts = {
  /** Both write, both see each other, all of it is acknowledged. */
  async together () {
    const desk = new Desk(ada, { gateway: first })
    const ready = await desk.hello({ capabilities: ['acks', 'nonsense'] })
    const sync = await desk.join()
    const peer = await new Peer(ben, { url: second }).synced()
    desk.type('From JSON. ')
    await peer.reads('From JSON. ')
    peer.type('From Yjs. ')
    await desk.reads('From JSON. From Yjs. ')
    for (let at = 0; at < 200; at += 1) {
      desk.type('a', at)
      peer.type('b', at)
      if (at % 10 === 0) await pause(1)
    }
    await until('both agree', () => agree({ doc: desk.doc() }, peer))
    const { sent } = desk.papers.get(told.scene)
    await until('all are acknowledged', () => desk.acked()?.count === sent)
    const acks = desk.of('editor.ack')
    const quiet = new Desk(ada, { gateway: first, token: 'query' })
    const readyUnasked = await quiet.hello()
    const whole = await quiet.join()
    quiet.type('.')
    await peer.reads(desk.value())
    await until('all agree', () => agree({ doc: desk.doc() }, peer) && agree({ doc: quiet.doc() }, peer))
    const toItself = desk.of('editor.update').length
    return {
      ready: ready.capabilities,
      readyUnasked: readyUnasked.capabilities,
      firstSync: sync,
      wholeSync: { isIncremental: whole.isIncremental, mayWrite: whole.mayWrite, seq: whole.seq },
      sent,
      last: acks.at(-1),
      rising: acks.every((ack, at) => !at || (ack.seq >= acks[at - 1].seq && ack.count >= acks[at - 1].count)),
      toOthers: quiet.of('editor.ack').length,
      heardSome: toItself > 0,
      length: desk.value().length,
      sameStored: (await stored(ada)) === desk.value()
    }
  },

  async presence () {
    const peer = await new Peer(ben, { url: second }).synced()
    peer.provider.awareness.setLocalState({
      user: { name: 'Forged', color: '#30bced' }, cursor: { anchor: 1, head: 4 }
    })
    const watcher = await new Peer(ben, { url: first }).synced()
    await until('the other gateway knows who is here', () => personAt(watcher, ben.id)?.cursor)
    watcher.leave()
    const desk = new Desk(ada, { gateway: first })
    await desk.hello()
    await desk.join()
    await until('who is here', () => desk.of('presence.list').length)
    const list = desk.of('presence.list')[0]
    const joinedMs = await until('the provider sees the newcomer', () => personAt(peer, ada.id))
    desk.say('presence.update', { userId: ada.id, cursor: { from: 2, to: 5 }, color: '#ff8800' })
    const movedMs = await until('the cursor from /ws', () => personAt(peer, ada.id)?.cursor?.from === 2)
    const shown = personAt(peer, ada.id)
    peer.provider.awareness.setLocalStateField('cursor', { from: 7, to: 9 })
    await until('the cursor from /collab', () => seenBy(desk, ben.id)?.cursor?.to === 9)
    const seen = seenBy(desk, ben.id)

    // Positions that move with the text, as y-prosemirror and y-codemirror share them.
    peer.type('hello')
    const at = Y.createRelativePositionFromTypeIndex(peer.text, 3)
    const position = JSON.parse(JSON.stringify(at))
    peer.provider.awareness.setLocalStateField('cursor', { anchor: position, head: position })
    await until('relative positions', () => seenBy(desk, ben.id)?.relative)
    const relative = seenBy(desk, ben.id)
    await desk.reads('hello')
    const index = Y.createAbsolutePositionFromRelativePosition(
      Y.createRelativePositionFromJSON(relative.relative.anchor), desk.doc()).index
    // What /ws says in numbers resolves to nowhere, and throws nothing, in such editors.
    const nowhere = Y.createAbsolutePositionFromRelativePosition(
      Y.createRelativePositionFromJSON(shown.cursor.anchor), peer.doc)
    desk.say('presence.update', { userId: ada.id, cursor: { from: 3, to: 3 }, relative: relative.relative })
    await until('relative from /ws', () => personAt(peer, ada.id)?.cursor?.anchor?.item?.client === position.item?.client)
    const resolved = Y.createAbsolutePositionFromRelativePosition(
      Y.createRelativePositionFromJSON(personAt(peer, ada.id).cursor.head), peer.doc).index

    const other = new Desk(ben, { gateway: second, token: 'subprotocol' })
    await other.hello()
    await other.join()
    await until('who is here', () => other.of('presence.list').length)
    const otherList = other.of('presence.list')[0].users.map(({ name }) => name).sort()
    peer.leave()
    const goneMs = await until('who left is off the list', () => {
      const last = desk.of('presence.list').at(-1)
      return last.users.filter(({ userId }) => userId === ben.id).length === 1
    })
    other.leave()
    await until('and who left the scene', () => !seenBy(desk, ben.id))
    other.close()
    const lastPeer = await new Peer(ben, { url: second }).synced()
    await until('still there for newcomers', () => personAt(lastPeer, ada.id))
    desk.ws.terminate()
    const brokenMs = await until('and who broke off', () => !personAt(lastPeer, ada.id))
    return {
      list, shown, seen, otherList, index, nowhere, resolved,
      relativeCursor: relative.cursor, measured: { joinedMs, movedMs, goneMs, brokenMs }
    }
  },

  /** Both sides write while one is away; it asks for the difference and brings its own. */
  async offline () {
    const here = await new Peer(ben, { url: second }).synced()
    here.type('x'.repeat(20_000))
    while ((await stored(ada)) !== here.value) await pause(10)
    const doc = new Y.Doc()
    const before = new Desk(ada, { gateway: first })
    await before.hello()
    const full = await before.join(told.scene, { doc })
    await before.reads(here.value)
    before.type('ada ', 0)
    await here.reads(`ada ${'x'.repeat(20_000)}`)
    before.papers.delete(told.scene)
    before.ws.terminate()

    doc.getText('content').insert(0, 'offline ')
    doc.getText('content').delete(doc.getText('content').length - 5, 5)
    here.type('ben ', 0)
    const after = new Desk(ada, { gateway: second })
    await after.hello({ capabilities: ['acks'] })
    const sync = await after.join(told.scene, { doc, vector: true })
    await until('both agree', () => agree({ doc }, here))
    await until('what was written away is on disk', () => after.acked()?.count === 1)
    // An answer may be from a moment ago; then what was written since follows it.
    const since = after.of('editor.update').reduce((sum, each) => sum + bytes(each.ydocUpdateBase64).length, 0)
    const seq = after.acked().seq
    // Once more with nothing new: acknowledged, and the log does not grow.
    const same = await after.join(told.scene, { vector: true })
    await until('nothing is durable, too', () => after.of('editor.ack').length === 2)
    after.push(told.scene, EMPTY)
    await until('nor less than nothing', () => after.of('editor.ack').length === 3)
    return {
      full: { isIncremental: full.isIncremental, bytes: bytes(full.update).length },
      sync: { isIncremental: sync.isIncremental, bytes: bytes(sync.update).length + since },
      grew: after.acked().seq - seq,
      same: bytes(same.update).length,
      text: here.value.replace(/x+/, 'x'),
      length: here.value.length,
      sameStored: (await stored(ada)) === here.value
    }
  },

  /** A reader, then a writer, then nobody; on a socket that outlives all of it. */
  async roles () {
    const member = `/api/projects/${told.project}/members/${ben.id}`
    const owner = await new Peer(ada, { url: first }).synced()
    const desk = new Desk(ben, { gateway: second })
    await desk.hello()
    const sync = await desk.join() // a READER, says the test
    owner.type('Once')
    await desk.reads('Once')
    desk.push(told.scene, Y.encodeStateAsUpdate(new Y.Doc()), 'mine')
    const change = (text) => {
      const doc = new Y.Doc()
      doc.getText('content').insert(0, text)
      return Y.encodeStateAsUpdate(doc)
    }
    const from = desk.heard.length
    desk.push(told.scene, change('refused'), 'edit 1')
    const refused = await desk.next('error', from)
    await pause(SETTLE_MS)
    const asReader = owner.value

    await ask(ada, 'PUT', member, { role: 'WRITER' })
    const upgradedMs = await until('an upgrade lets it write', () => {
      desk.push(told.scene, change('a'))
      return owner.value !== 'Once'
    })
    const told1 = desk.heard.length
    await ask(ada, 'PUT', member, { role: 'READER' })
    const began = performance.now()
    const downgrade = await desk.next('error', told1)
    const downgradedMs = performance.now() - began
    const there = owner.value
    desk.push(told.scene, change('refused again'))
    await pause(SETTLE_MS)
    const kept = owner.value === there

    const told2 = desk.heard.length
    await ask(ada, 'DELETE', member)
    const removedAt = performance.now()
    await until('removal', () => desk.heard.slice(told2).some(({ left }) => left))
    const removedMs = performance.now() - removedAt
    const removal = desk.heard.slice(told2).find(({ left }) => left)
    desk.push(told.scene, change('too late'))
    await pause(SETTLE_MS)
    const late = desk.heard.at(-1)
    return {
      mayWrite: sync.mayWrite, refused, asReader, upgradedMs, downgrade, downgradedMs, kept,
      removal, removedMs, late, closes: desk.closes, clean: !owner.value.includes('refused')
    }
  },

  /** Several scenes on one socket; each by its own name, none after it was left. */
  async scenes () {
    const desk = new Desk(ada, { gateway: first })
    await desk.hello({ capabilities: ['acks'] })
    await desk.join(told.scene)
    await desk.join(told.other)
    const one = await new Peer(ben, { url: second }).synced()
    const two = await new Peer(ben, { url: first, scene: told.other }).synced()
    desk.type('one', 0, told.scene)
    desk.type('two', 0, told.other)
    await one.reads('one')
    await two.reads('two')
    await until('each is acknowledged', () => desk.acked(told.scene) && desk.acked(told.other))
    const from = desk.heard.length
    desk.say('presence.update', { cursor: { from: 0, to: 1 } })
    await until('home is meant', () => personAt(one, ada.id)?.cursor)
    desk.say('presence.update', { sceneId: told.other, cursor: { from: 1, to: 2 } })
    await until('the other is named', () => personAt(two, ada.id)?.cursor?.from === 1)
    const errors = desk.heard.slice(from).filter(({ type }) => type === 'error')
    desk.leave(told.other)
    await until('gone from one', () => !personAt(two, ada.id))
    two.type('!')
    one.type('!')
    await desk.reads('one!')
    const stray = desk.of('editor.update', told.other).length
    return { errors, stillHere: Boolean(personAt(one, ada.id)), stray, closes: desk.closes }
  },

  /** Stay, type now and then, and tell what the stop of the gateway looks like. */
  async drain () {
    told.url = second
    const desk = new Desk(ada, { gateway: first })
    await desk.hello({ capabilities: ['acks'] })
    await desk.join()
    const typing = setInterval(() => { if (!desk.closes.length) desk.type('x') }, 5)
    await until('acknowledged', () => (desk.acked()?.count ?? 0) > 20)
    process.stdout.write(`${JSON.stringify({ typing: true })}\n`)
    await until('closed', () => desk.closes.length > 0, 30_000)
    clearInterval(typing)
    // The first said what was there already: nothing.
    const acked = desk.acked().count - 1
    const back = new Desk(ada, { gateway: second })
    await back.hello()
    const doc = new Y.Doc()
    await back.join(told.scene, { doc })
    await until('what was acknowledged is there', () => back.value().length >= acked)
    const durable = back.value().length
    const own = desk.doc()
    await back.close()
    const again = new Desk(ada, { gateway: second })
    await again.hello({ capabilities: ['acks'] })
    await again.join(told.scene, { doc: own, vector: true })
    await until('all of it is saved', () => again.acked()?.count >= 1)
    return { closes: desk.closes, acked, durable, typed: own.getText('content').length, stored: (await stored(ada)).length }
  }
}

scenario(parts[told.part])
