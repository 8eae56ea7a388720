// What /ws answers to what no honest client sends.
import WebSocket from 'ws'
import * as Y from 'yjs'
import { base64, Desk } from './desk.mjs'
import { Peer, scenario, told, until } from './room.mjs'

const { ada, ben } = told.people
const OTHER = '0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f'

const filled = (message, at) => {
  if (typeof message === 'string') return message
  if (Array.isArray(message)) {
    const [before, piece, times, after] = message
    return before.replace('SCENE', told.scene) + piece.repeat(times) + after
  }
  const text = JSON.stringify({ ...message, ref: message.ref ?? `ref ${at}` })
  return text.replaceAll('"SCENE"', `"${told.scene}"`).replaceAll('"OTHER"', `"${OTHER}"`)
    .replaceAll('"SELF"', `"${ada.id}"`)
}

const parts = {
  async each () {
    const peer = await new Peer(ben, { url: told.gateways[1] }).synced()
    const desk = new Desk(ada)
    await desk.hello()
    await desk.join()
    const answers = []
    let text = ''
    for (const [at, message] of told.messages.entries()) {
      const from = desk.heard.length
      desk.ws.send(filled(message, at))
      answers.push(await desk.next('error', from))
      text += 'still here'
      desk.type('still here')
      await peer.reads(text)
      // Not a flood: each is one mistake of one client.
      if (at % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 4000))
    }
    const from = desk.heard.length
    desk.ws.send(Buffer.from([0, 2, 2, 0, 0]), { binary: true })
    const binary = await desk.next('error', from)
    const refs = answers.map(({ ref }) => ref).filter((ref) => ref !== undefined)
    return { answers, refs, binary, closes: desk.closes, text: peer.value }
  },

  async poison () {
    const desk = new Desk(ada)
    await desk.hello({ capabilities: ['acks'] })
    await desk.join()
    const from = desk.heard.length
    for (let at = 0; at < 3; at += 1) {
      desk.say('editor.update', { sceneId: told.scene, ydocUpdateBase64: base64([9, 9, 9, 9, 9, 9]) })
    }
    await until('put out', () => desk.heard.slice(from).some(({ left }) => left))
    const error = desk.heard.slice(from).find(({ left }) => left)
    const from2 = desk.heard.length
    desk.say('editor.update', { sceneId: told.scene, ydocUpdateBase64: base64(Y.encodeStateAsUpdate(new Y.Doc())) })
    const after = await desk.next('error', from2)
    desk.papers.delete(told.scene)
    const from3 = desk.heard.length
    desk.say('join.scene', { sceneId: told.scene, stateVector: base64([255, 255, 255, 255]) })
    const vector = await desk.next('error', from3)
    await desk.join(told.scene)
    desk.type('good again')
    await until('acknowledged', () => (desk.acked()?.count ?? 0) >= 2)
    return { error, after, vector, closes: desk.closes, text: desk.value() }
  },

  async flood () {
    const peer = await new Peer(ben).synced()
    const watcher = await new Peer(ada, { url: told.gateways[1] }).synced()
    const desk = new Desk(ada)
    await desk.hello()
    for (let at = 0; at < 20_000 && !desk.closes.length; at += 1) {
      desk.ws.send('{')
      if (at % 100 === 0) await new Promise(setImmediate)
    }
    await until('closed', () => desk.closes.length > 0)
    peer.type('calm')
    await watcher.reads('calm', 2000)
    return { closes: desk.closes, errors: desk.of('error').length, bystander: watcher.value === 'calm' }
  },

  async door () {
    const quiet = new Desk(ben)
    await quiet.hello()
    await quiet.join()
    const watcher = await new Peer(ada, { url: told.gateways[1] }).synced()
    const { awareness } = watcher.provider
    const heard = () => [...awareness.getStates()].find(([, { user }]) => user?.id === ben.id)?.[0]
    await until('the quiet one is seen', heard)
    const clock = () => awareness.meta.get(heard())?.clock
    const atFirst = clock()
    const code = async (desk, act) => {
      await desk.opened
      const from = desk.heard.length
      act(desk)
      return (await desk.next('error', from)).code
    }
    const silent = new Desk(ada)
    await silent.opened
    const began = performance.now()
    const early = await code(silent, (desk) => desk.say('join.scene', { sceneId: told.scene }))

    const greet = (fields) => (desk) => desk.say('client.hello', {
      userId: ada.id, projectId: told.project, sceneId: told.scene, e2ee: false, token: ada.token, ...fields
    })
    const forger = new Desk(ada)
    const forgedCode = await code(forger, greet({ token: `${ada.token.slice(0, -8)}AAAAAAAA` }))
    await until('the forger is closed', () => forger.closes.length > 0)
    const desk = new Desk(ada)
    const impostor = await code(desk, greet({ userId: ben.id }))
    const encrypted = await code(desk, greet({ e2ee: true }))
    const elsewhere = await code(desk, greet({ projectId: OTHER }))
    const ready = await desk.hello()
    const { stranger } = told
    const far = new Desk(stranger)
    const strangerHello = await code(far, greet({ userId: stranger.id, token: stranger.token }))
    await far.hello({ projectId: undefined, sceneId: undefined })
    const strangerJoin = await code(far, (to) => to.say('join.scene', { sceneId: told.scene }))
    const page = new WebSocket(`${told.url.replace('http', 'ws')}/ws`, { origin: told.url })
    const origin = await new Promise((resolve) => {
      page.once('upgrade', (answer) => resolve(answer.statusCode))
      page.once('unexpected-response', (_, answer) => resolve(answer.statusCode))
    })
    await until('the silent one is closed', () => silent.closes.length > 0, 15_000)
    const silentMs = performance.now() - began
    await until('the quiet one is spoken for', () => clock() > atFirst, 15_000)
    return {
      early,
      silentCloses: silent.closes,
      silentMs,
      quietToldAgain: quiet.of('presence.update').filter(({ userId }) => userId === ben.id).length,
      forged: { code: forgedCode, closes: forger.closes },
      impostor,
      encrypted,
      elsewhere,
      strangerHello,
      strangerJoin,
      readyAfterAll: ready.type,
      origin
    }
  }
}

scenario(parts[told.part])
