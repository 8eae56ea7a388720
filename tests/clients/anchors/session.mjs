// One recorded session: what was there, what people did, what became of each anchor.
import * as Y from 'yjs'
import { Dice } from './dice.mjs'
import { idOf, Ledger, read } from './identity.mjs'
import { BUSY, CALM, Operation } from './operations.mjs'
import { Log, Person } from './person.mjs'

const WARM_UP = 30
const ANCHORS = 30
const WORDS_MAX = 8
const PULL_CHANCE = 0.35
const OFFLINE_SHARE = 0.3
const base64 = (bytes) => Buffer.from(bytes).toString('base64')
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))
const json = (position) => JSON.parse(JSON.stringify(position))

/**
 * Documents with the same updates have their text in another order: Yjs 13.6.33 can do that when somebody undoes beside
 * somebody who writes. What is true about such a session depends on who reads it.
 */
export class Diverged extends Error {}

export class Session {
  ledger = new Ledger()
  log = new Log()
  anchors = []
  rebuilt = false
  /** How often an editor had to be opened again. */
  reloads = 0

  /**
   * @param {object} told
   * @param {string} told.editor name of the module in writers/
   * @param {number} told.seed
   * @param {string[]} told.paragraphs
   * @param {boolean} told.two whether a second person writes
   * @param {boolean} told.calm whether most blocks are left alone
   * @param {number} told.operations
   * @throws {Diverged}
   */
  static async record (told) {
    const session = new Session()
    session.dice = new Dice(told.seed)
    session.writer = await import(`./writers/${told.editor}.mjs`)
    return await session.#record(told)
  }

  async #record ({ editor, seed, paragraphs, two, calm, operations }) {
    this.weights = { ...(calm ? CALM : BUSY), ...(two ? this.writer.weightsOfTwo : {}) }
    const ada = await Person.open(this.writer, this.log, this.#client())
    this.people = [ada]
    await this.act(ada, () => ada.editor.write(paragraphs), this.#firstText(paragraphs))
    // What stands there was written another day: no undo reaches it.
    await ada.reload(this.writer, this.#client())
    if (two) this.people.push(await Person.open(this.writer, this.log, this.#client()))
    await this.#write(WARM_UP)
    await this.#meet()
    const base = base64(Y.encodeStateAsUpdate(this.log.doc))
    this.anchors = this.#choose(ada)
    const begin = this.log.rows.length
    await this.#write(operations)
    for (const person of this.people) if (!person.online) await this.#reconnect(person)
    await this.#meet()
    const rows = this.log.rows.slice(begin)
    this.#converged(base, rows)
    const found = this.#outcome()
    for (const person of this.people) person.editor.close()
    return {
      editor,
      root: this.writer.root,
      kind: this.writer.kind,
      seed,
      people: this.people.length,
      calm,
      base,
      log: rows.map(({ update }) => base64(update)),
      by: rows.map(({ by }) => this.people.indexOf(by)),
      doing: rows.map(({ doing }) => doing),
      ...found
    }
  }

  #client () { return 1 + this.dice.below(2 ** 31) }

  #firstText (paragraphs) {
    const text = paragraphs.join('\n')
    return { text, uids: Array.from(text, () => this.ledger.fresh()) }
  }

  /** Do operations; with two people, one is offline for a good part of the time. */
  async #write (operations) {
    const pause = this.people.length > 1 ? Math.floor(operations * OFFLINE_SHARE / 2) : 0
    for (let done = 0; done < operations; done++) {
      const person = this.dice.chance(0.6) ? this.people[0] : this.people.at(-1)
      const name = this.dice.weighted(this.weights)
      person.doing = name
      await new Operation(this, person)[name]()
      await this.exchange()
      if (!pause || operations <= WARM_UP) continue
      const away = this.people[1]
      const inPart = done % Math.floor(operations / 2)
      if (inPart === pause) away.online = false
      if (inPart === 2 * pause) await this.#reconnect(away)
    }
  }

  /** Let news arrive: not at once, and not with everybody at the same time. */
  async exchange () {
    for (const person of this.people) if (person.online && this.dice.chance(PULL_CHANCE)) await this.#pull(person)
  }

  /** Exchange until nobody has news, as an editor may answer news by putting something right. */
  async #meet () {
    for (let seen = -1; seen < this.log.rows.length;) {
      seen = this.log.rows.length
      for (const person of this.people) await this.#pull(person)
    }
  }

  async #pull (person) {
    const before = this.ledger.lived(person.read())
    person.doing = 'correction'
    await this.#settle(person, before, person.pull())
  }

  async #reconnect (person) {
    const before = this.ledger.lived(person.read())
    person.doing = 'correction'
    await this.#settle(person, before, person.reconnect())
  }

  async #settle (person, before, { news, broken }) {
    if (!news) return
    await turn()
    const after = person.read()
    this.ledger.adopt(person.doc, after, before)
    await this.#compare(person, after, broken)
  }

  /** Make sure that an editor shows its document; one that broke down is opened again, as its writer would do. */
  async #compare (person, reading, broken = null) {
    const shown = person.editor.text()
    if (!broken && shown === reading.text) return
    if (!this.writer.breaks) {
      throw broken ?? new Error(`${person.doing}: the editor shows\n${shown}\nand the document holds\n${reading.text}`)
    }
    this.reloads++
    const before = this.ledger.lived(reading)
    await person.reload(this.writer, this.#client())
    this.ledger.adopt(person.doc, person.read(), before)
  }

  /**
   * Run an operation of an editor and learn which character each new id is.
   * @param {Person} person
   * @param {() => unknown} run
   * @param {import('./identity.mjs').Lived | (() => import('./identity.mjs').Lived) | null} expected null: nobody can
   *   foretell it, and Yjs says which deleted character each new one redoes
   */
  async act (person, run, expected) {
    const before = this.ledger.lived(person.read())
    person.editor.stop()
    let broken = null
    try {
      await run()
    } catch (error) {
      broken = error
    }
    const after = person.read()
    const wanted = typeof expected === 'function' ? expected() : expected
    if (!wanted) this.ledger.adopt(person.doc, after, before)
    else if (after.text === wanted.text) this.ledger.assign(after, wanted.uids)
    else if (after.text === before.text) this.ledger.assign(after, before.uids)
    else if (this.writer.breaks) this.ledger.adopt(person.doc, after, wanted)
    else throw broken ?? new Error(`${person.doing} made\n${after.text}\nof\n${before.text}\nnot\n${wanted.text}`)
    await this.#compare(person, after, broken)
  }

  /** Choose anchors as a person selects them: from the first letter of a word to the last of another. */
  #choose (person) {
    const { text, ids } = person.read()
    const { uids } = this.ledger.lived({ text, ids })
    const words = [...text.matchAll(/[\p{L}’']+/gu)].map((found) => [found.index, found.index + found[0].length])
    const crossing = words.flatMap(([start], at) => at && text.slice(words[at - 1][1], start).includes('\n') ? [at] : [])
    return Array.from({ length: ANCHORS }, (_, at) => {
      const length = at % 4 === 0 ? 1 : 2 + this.dice.below(WORDS_MAX - 1)
      const first = at % 8 === 1 && crossing.length
        ? Math.max(0, this.dice.pick(crossing) - 1 - this.dice.below(length - 1))
        : this.dice.below(words.length - WORDS_MAX)
      const from = words[first][0]
      const to = words[Math.min(first + length, words.length) - 1][1]
      const { start, end } = json(person.editor.relative(from, to))
      return { quote: text.slice(from, to), start, end, from, to, ids: ids.slice(from, to), uids: uids.slice(from, to) }
    })
  }

  /**
   * Make sure that all people read the same, and whoever reads the log anew.
   * @throws {Diverged}
   */
  #converged (base, rows) {
    const again = new Y.Doc()
    Y.applyUpdate(again, Buffer.from(base, 'base64'))
    for (const { update } of rows) Y.applyUpdate(again, update)
    const { text } = read(this.writer.rootOf(again))
    const people = this.people.map((person) => person.editor.text())
    if ([read(this.writer.rootOf(this.log.doc)).text, ...people].some((one) => one !== text)) throw new Diverged()
  }

  /** Return where the characters of all anchors are in the end. */
  #outcome () {
    const reading = read(this.writer.rootOf(this.log.doc))
    this.ledger.adopt(this.log.doc, reading, this.ledger.lived(reading))
    const { text, uids } = this.ledger.lived(reading)
    const places = new Map()
    uids.forEach((uid, at) => {
      if (uid < 0) return
      if (places.has(uid)) places.get(uid).push(at)
      else places.set(uid, [at])
    })
    const atId = new Map(reading.ids.map((id, at) => [id, at]))
    const anchors = this.anchors.map(({ ids, uids: own, ...anchor }) => {
      const letters = [...anchor.quote.matchAll(/[^\n]/g)].map(({ index }) => index)
      const kept = letters.map((at) => atId.get(ids[at])).filter((at) => at !== undefined)
      const all = letters.map((at) => places.get(own[at]) ?? []).filter((one) => one.length)
      const truth = original(all, kept)
      const copies = all.some((one) => one.length > 1) ? all.map((one, at) => one.filter((place) => place !== truth[at])) : []
      return { ...anchor, first: idOf(ids[0]), last: idOf(ids.at(-1)), truth, copies, kept }
    })
    return { anchors, final: text, guessed: this.ledger.guessed, reloads: this.reloads }
  }
}

/**
 * Choose a place for each character, of which `all` has every one: where it is side by side with those before, in the
 * copy with most characters of `kept`.
 */
const original = (all, kept) => {
  const begins = all.find((one) => one.length > 1) ?? all[0] ?? []
  const chains = begins.map((begin) => {
    let next = begin
    return all.map((one) => {
      const near = one.reduce((best, at) => Math.abs(at - next) < Math.abs(best - next) ? at : best)
      next = near + 1
      return near
    })
  })
  const same = new Set(kept)
  const score = (chain) => chain.filter((at) => same.has(at)).length
  return chains.sort((one, other) => score(other) - score(one))[0] ?? []
}
