// Bare ProseMirror with prosemirror-schema-basic and y-prosemirror.
import '../../browser.mjs'
import { schema } from 'prosemirror-schema-basic'
import { EditorState, TextSelection } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import {
  absolutePositionToRelativePosition, redo, undo, ySyncPlugin, ySyncPluginKey, yUndoPlugin, yUndoPluginKey
} from 'y-prosemirror'
import * as Y from 'yjs'

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

/** Return the blocks of `doc` that hold text: {pos, node}, in order. */
const blocksOf = (doc) => {
  const found = []
  doc.descendants((node, pos) => {
    if (node.isTextblock) found.push({ pos, node })
    return !node.isTextblock
  })
  return found
}

/** What editors of ProseMirror have in common: places in the flat text, and operations made of transactions. */
export class Transactions {
  /** @param {import('prosemirror-view').EditorView} view */
  constructor (view) {
    this.view = view
  }

  get state () { return this.view.state }

  get schema () { return this.state.schema }

  blocks () { return blocksOf(this.state.doc) }

  blockTexts () { return this.blocks().map(({ node }) => node.textContent) }

  text () { return this.blockTexts().join('\n') }

  /** Return the position of an offset into the flat text. */
  pos (offset) {
    let left = offset
    for (const { pos, node } of this.blocks()) {
      if (left <= node.content.size) return pos + 1 + left
      left -= node.content.size + 1
    }
    throw new RangeError(`${offset} is behind the text`)
  }

  /** Return the offset of a position; one between two blocks is that of the next text. */
  offset (position) {
    let start = 0
    for (const { pos, node } of this.blocks()) {
      if (position <= pos + 1 + node.content.size) return start + Math.max(0, position - pos - 1)
      start += node.content.size + 1
    }
    return start - 1
  }

  /** Return the block in which an offset is, with its number. */
  block (offset) {
    let left = offset
    const blocks = this.blocks()
    const index = blocks.findIndex(({ node }) => (left -= node.content.size + 1) < 0)
    return { index, ...blocks[index] }
  }

  do (change) {
    this.view.dispatch(change(this.state.tr))
  }

  select (from, to) {
    this.do((tr) => tr.setSelection(TextSelection.create(tr.doc, this.pos(from), this.pos(to))))
  }

  type (at, text) { this.do((tr) => tr.insertText(text, this.pos(at))) }

  replace (from, to, text) { this.do((tr) => tr.insertText(text, this.pos(from), this.pos(to))) }

  erase (from, to) { this.do((tr) => tr.delete(this.pos(from), this.pos(to))) }

  split (at) { this.do((tr) => tr.split(this.pos(at))) }

  /** Join two blocks, as Backspace does at the beginning of the second one. */
  join (at) { this.do((tr) => tr.delete(this.pos(at), this.pos(at + 1))) }

  bold (from, to) { this.do((tr) => tr.addMark(this.pos(from), this.pos(to), this.schema.marks.strong.create())) }

  retype (at) {
    const { paragraph, heading } = this.schema.nodes
    const { pos, node } = this.block(at)
    const [type, attrs] = node.type === heading ? [paragraph, null] : [heading, { level: 2 }]
    this.do((tr) => tr.setNodeMarkup(pos, type, attrs))
  }

  /** Put a block into a quotation, or take it out. */
  wrap (at) {
    const range = this.state.doc.resolve(this.pos(at)).blockRange()
    if (range.depth) return this.do((tr) => tr.lift(range, 0))
    this.do((tr) => tr.wrap(range, [{ type: this.schema.nodes.blockquote }]))
  }

  copy (from, to) { return this.state.doc.slice(this.pos(from), this.pos(to)) }

  paste (at, slice) { this.do((tr) => tr.replace(this.pos(at), this.pos(at), slice)) }

  /** Drag the block at offset `at` before or behind the one at offset `to`, whichever lies farther. */
  move (at, to) {
    const [from, target] = [this.block(at), this.block(to)]
    const place = target.pos > from.pos ? target.pos + target.node.nodeSize : target.pos
    this.do((tr) => {
      tr.delete(from.pos, from.pos + from.node.nodeSize)
      return tr.insert(tr.mapping.map(place), from.node)
    })
  }

  /** Whether the block at an offset stands directly in the document. */
  isTop (at) { return this.state.doc.resolve(this.block(at).pos).depth === 0 }

  /** Replace a block by a new one with this text. */
  rewrite (at, text) {
    const { pos, node } = this.block(at)
    const made = node.type.create(node.attrs, text ? this.schema.text(text) : null)
    this.do((tr) => tr.replaceWith(pos, pos + node.nodeSize, made))
  }

  setContent (change) {
    const json = this.state.doc.toJSON()
    change?.(json)
    const { content } = this.schema.nodeFromJSON(json)
    this.do((tr) => tr.replaceWith(0, tr.doc.content.size, content))
  }

  close () { this.view.destroy() }
}

/** Build a fragment anew without any editor, as a program that restores or imports does. */
export const rebuild = (fragment, doc) => {
  const lines = blocksOf(doc).map(({ node }) => [node.type.name, node.attrs, node.textContent])
  fragment.doc.transact(() => {
    fragment.delete(0, fragment.length)
    fragment.insert(0, lines.map(([name, attrs, text]) => {
      const element = new Y.XmlElement(name)
      for (const [key, value] of Object.entries(attrs)) if (value !== null) element.setAttribute(key, value)
      if (text) element.insert(0, [new Y.XmlText(text)])
      return element
    }))
  }, 'a program')
}

class ProseMirror extends Transactions {
  constructor (view, fragment) {
    super(view)
    this.fragment = fragment
  }

  get #manager () { return yUndoPluginKey.getState(this.state).undoManager }

  write (lines) {
    const nodes = lines.map((line) => schema.node('paragraph', null, schema.text(line)))
    this.do((tr) => tr.replaceWith(0, tr.doc.content.size, nodes))
  }

  rebuild () { rebuild(this.fragment, this.state.doc) }

  stop () { this.#manager.stopCapturing() }

  undo () { return undo(this.state) }

  redo () { return redo(this.state) }

  /** What the plugins of y-prosemirror note of a selection. */
  relative (from, to) {
    this.select(from, to)
    const { selection } = this.state
    const { binding } = ySyncPluginKey.getState(this.state)
    const [start, end] = [selection.from, selection.to]
      .map((pos) => absolutePositionToRelativePosition(pos, this.fragment, binding.mapping))
    return { start, end }
  }
}

export const root = 'prosemirror'
export const kind = 'xml'
export const rootOf = (doc) => doc.getXmlFragment(root)

export const open = async (doc) => {
  const fragment = rootOf(doc)
  const view = new EditorView(document.createElement('div'), {
    state: EditorState.create({ schema, plugins: [ySyncPlugin(fragment), yUndoPlugin()] })
  })
  await turn()
  return new ProseMirror(view, fragment)
}
