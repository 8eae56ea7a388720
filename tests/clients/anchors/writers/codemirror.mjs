// CodeMirror with y-codemirror.next on the root "content".
import '../../browser.mjs'
import { EditorSelection, EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { yCollab, ySyncFacet } from 'y-codemirror.next'
import * as Y from 'yjs'

Object.assign(window, { requestAnimationFrame, cancelAnimationFrame })
globalThis.Window ??= window.Window

/** What editors of plain text have in common: blocks are lines, and all is made of replacing. */
export class Lines {
  blockTexts () { return this.text().split('\n') }

  write (lines) { this.change([0, this.text().length, lines.join('\n')]) }

  type (at, text) { this.change([at, at, text]) }

  replace (from, to, text) { this.change([from, to, text]) }

  erase (from, to) { this.change([from, to, '']) }

  split (at) { this.change([at, at, '\n']) }

  join (at) { this.change([at, at + 1, '']) }

  copy (from, to) { return this.text().slice(from, to) }

  paste (at, text) { this.change([at, at, text]) }

  isTop () { return true }

  /** Return [start, end] of the line of an offset. */
  line (at) {
    const text = this.text()
    const end = text.indexOf('\n', at)
    return [at ? text.lastIndexOf('\n', at - 1) + 1 : 0, end < 0 ? text.length : end]
  }

  move (at, to) {
    const [[from, end], [place, behind]] = [this.line(at), this.line(to)]
    const line = this.text().slice(from, end)
    if (place > from) this.change([from, end + 1, ''], [behind, behind, `\n${line}`])
    else this.change([place, place, `${line}\n`], [from - 1, end, ''])
  }

  rewrite (at, text) { this.change([...this.line(at), text]) }

  setContent (change) {
    const value = { content: this.text().split('\n').map((text) => ({ children: [{ text }] })) }
    change?.(value)
    this.change([0, this.text().length, value.content.map(({ children }) => children[0].text).join('\n')])
  }
}

class CodeMirror extends Lines {
  constructor (view, manager) {
    super()
    this.view = view
    this.manager = manager
  }

  text () { return this.view.state.doc.toString() }

  get shared () { return this.view.state.facet(ySyncFacet).ytext }

  change (...parts) {
    this.view.dispatch({ changes: parts.map(([from, to, insert]) => ({ from, to, insert })) })
  }

  rebuild () {
    const text = this.shared.toString()
    this.shared.doc.transact(() => {
      this.shared.delete(0, this.shared.length)
      this.shared.insert(0, text)
    }, 'a program')
  }

  stop () { this.manager.stopCapturing() }

  undo () { return this.manager.undo() }

  redo () { return this.manager.redo() }

  relative (from, to) {
    this.view.dispatch({ selection: EditorSelection.single(from, to) })
    const { main } = this.view.state.selection
    const { yanchor, yhead } = this.view.state.facet(ySyncFacet).toYRange(main).toJSON()
    return { start: yanchor, end: yhead }
  }

  close () { this.view.destroy() }
}

export const root = 'content'
export const kind = 'plain'
export const rootOf = (doc) => doc.getText(root)

export const open = async (doc) => {
  const text = rootOf(doc)
  const manager = new Y.UndoManager(text)
  const state = EditorState.create({ doc: text.toString(), extensions: [yCollab(text, null, { undoManager: manager })] })
  return new CodeMirror(new EditorView({ state, parent: document.createElement('div') }), manager)
}
