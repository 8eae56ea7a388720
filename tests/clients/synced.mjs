// Newcomers arrive while somebody writes, each a moment after an edit was acknowledged.
import { Peer, scenario, told, until } from './room.mjs'

scenario(async () => {
  const { ada, ben } = told.people
  const writer = await new Peer(ada, { params: { token: ada.token, acks: '1' } }).synced()
  const behind = []
  for (let round = 0; round < told.rounds; round += 1) {
    writer.type(`${round} `)
    await until('it is durable', () => writer.acks.at(-1)?.count === writer.sent)
    const durable = writer.value
    const newcomer = new Peer(ben)
    newcomer.provider.once('sync', () => {
      if (newcomer.value !== durable) behind.push({ round, has: newcomer.value })
    })
    await newcomer.synced()
    newcomer.leave()
  }
  return { behind, text: writer.value }
})
