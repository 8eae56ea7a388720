// Tiptap 3 with all extensions of tests/clients/editors/tiptap3, driven by its own commands.
import * as tiptap from '../../editors/tiptap3/anchored.mjs'
import { rebuild, Transactions } from './prosemirror.mjs'

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

class Tiptap extends Transactions {
  constructor (editor, fragment) {
    super(editor.view)
    this.editor = editor
    this.fragment = fragment
  }

  get #manager () { return tiptap.yUndoPluginKey.getState(this.state).undoManager }

  #at (at) {
    return this.editor.chain().setTextSelection(this.pos(at))
  }

  write (lines) {
    const content = lines.map((text) => ({ type: 'paragraph', content: [{ type: 'text', text }] }))
    this.editor.commands.setContent({ type: 'doc', content })
  }

  erase (from, to) { this.editor.commands.deleteRange({ from: this.pos(from), to: this.pos(to) }) }

  split (at) { this.#at(at).splitBlock().run() }

  join (at) { this.#at(at + 1).joinBackward().run() }

  bold (from, to) {
    this.editor.chain().setTextSelection({ from: this.pos(from), to: this.pos(to) }).toggleBold().run()
  }

  retype (at) { this.#at(at).toggleHeading({ level: 2 }).run() }

  wrap (at) {
    if (at % 2) this.#at(at).toggleBulletList().run()
    else this.#at(at).toggleBlockquote().run()
  }

  rewrite (at, text) {
    const { pos, node } = this.block(at)
    const made = { type: node.type.name, attrs: node.attrs, content: text ? [{ type: 'text', text }] : [] }
    this.editor.commands.insertContentAt({ from: pos, to: pos + node.nodeSize }, made)
  }

  setContent (change) {
    const json = this.editor.getJSON()
    change?.(json)
    this.editor.commands.setContent(json)
  }

  rebuild () { rebuild(this.fragment, this.state.doc) }

  stop () { this.#manager.stopCapturing() }

  undo () { return this.editor.commands.undo() }

  redo () { return this.editor.commands.redo() }

  relative (from, to) {
    this.editor.commands.setTextSelection({ from: this.pos(from), to: this.pos(to) })
    const { selection } = this.state
    const { binding } = tiptap.ySyncPluginKey.getState(this.state)
    const [start, end] = [selection.from, selection.to]
      .map((pos) => tiptap.absolutePositionToRelativePosition(pos, this.fragment, binding.mapping))
    return { start, end }
  }

  close () { this.editor.destroy() }
}

export const root = 'default'
export const kind = 'xml'
export const rootOf = (doc) => doc.getXmlFragment(root)

export const open = async (doc) => {
  const editor = tiptap.create(doc)
  await turn()
  return new Tiptap(editor, rootOf(doc))
}
