// A client without an editor that changes a Y.Text by itself.
import * as Y from 'yjs'
import { Lines } from './codemirror.mjs'

const LOCAL = 'plain'

class Plain extends Lines {
  constructor (shared) {
    super()
    this.shared = shared
    this.manager = new Y.UndoManager(shared, { trackedOrigins: new Set([LOCAL]) })
  }

  text () { return this.shared.toString() }

  change (...parts) {
    this.shared.doc.transact(() => {
      for (const [from, to, text] of [...parts].reverse()) {
        this.shared.delete(from, to - from)
        this.shared.insert(from, text)
      }
    }, LOCAL)
  }

  bold (from, to) {
    this.shared.doc.transact(() => this.shared.format(from, to - from, { bold: true }), LOCAL)
  }

  retype (at) {
    const [start] = this.line(at)
    this.shared.doc.transact(() => this.shared.format(start, 1, { header: 2 }), LOCAL)
  }

  rebuild () {
    const delta = this.shared.toDelta()
    this.shared.doc.transact(() => {
      this.shared.delete(0, this.shared.length)
      this.shared.applyDelta(delta)
    }, 'a program')
  }

  stop () { this.manager.stopCapturing() }

  undo () { return this.manager.undo() }

  redo () { return this.manager.redo() }

  relative (from, to) {
    return {
      start: Y.createRelativePositionFromTypeIndex(this.shared, from),
      end: Y.createRelativePositionFromTypeIndex(this.shared, to)
    }
  }

  close () { this.manager.destroy() }
}

export const root = 'content'
export const kind = 'plain'
export const rootOf = (doc) => doc.getText(root)

export const open = async (doc) => new Plain(rootOf(doc))
