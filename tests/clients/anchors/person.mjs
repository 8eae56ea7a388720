// People who write one document with real editors, and the server that orders their updates.
import * as Y from 'yjs'
import { read } from './identity.mjs'

const REMOTE = 'another person'

/** The order of updates as a server would have logged it, and the document that they make. */
export class Log {
  doc = new Y.Doc()
  /** @type {Array<{update: Uint8Array, by: Person | null, doing: string}>} */
  rows = []

  append (update, by, doing) {
    this.rows.push({ update, by, doing })
    Y.applyUpdate(this.doc, update)
  }
}

/** A document and its editor. Updates go to the log at once while the person is online, and come when `pull` is called. */
export class Person {
  online = true
  /** Name of the operation that goes on, for the log. */
  doing = 'open'
  clipboard = null
  caret = 0
  #read = 0

  static async open (writer, log, clientID) {
    const person = new Person()
    person.log = log
    person.#begin(clientID)
    person.pull()
    await person.#show(writer)
    return person
  }

  #begin (clientID) {
    const doc = new Y.Doc()
    doc.clientID = clientID
    this.doc = doc
    doc.on('update', (update, origin) => {
      if (doc === this.doc && origin !== REMOTE && this.online) this.log.append(update, this, this.doing)
    })
  }

  async #show (writer) {
    this.root = writer.rootOf(this.doc)
    this.editor = await writer.open(this.doc)
  }

  /** Load the page anew, with what the browser keeps of the document, after the editor broke down. */
  async reload (writer, clientID) {
    const state = Y.encodeStateAsUpdate(this.doc)
    this.#begin(clientID)
    Y.applyUpdate(this.doc, state, REMOTE)
    await this.#show(writer)
  }

  /**
   * Take what others wrote since.
   * @returns {{news: boolean, broken: unknown}} whether there was something, and what the editor threw at it
   */
  pull () {
    const from = this.#read
    this.#read = this.log.rows.length
    const news = this.log.rows.slice(from).filter((row) => row.by !== this)
    let broken = null
    for (const { update } of news) {
      try {
        Y.applyUpdate(this.doc, update, REMOTE)
      } catch (error) {
        broken ??= error
      }
    }
    return { news: news.length > 0, broken }
  }

  /** Come back: send what the server lacks as one update, as providers of Yjs do, and take the rest. */
  reconnect () {
    this.online = true
    const update = Y.encodeStateAsUpdate(this.doc, Y.encodeStateVector(this.log.doc))
    this.log.append(update, this, 'reconnect')
    return this.pull()
  }

  read () {
    return read(this.root)
  }
}
