// Slate with slate-yjs on the root "content".
import { slateRangeToRelativeRange, withYHistory, withYjs, YjsEditor } from '@slate-yjs/core'
import { createEditor, Editor, Element, Node, Text, Transforms } from 'slate'
import * as Y from 'yjs'

/** Slate tells its binding of a change when the current task has ended. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

class Slate {
  constructor (editor) {
    this.editor = editor
  }

  blockTexts () { return this.editor.children.map((node) => Node.string(node)) }

  text () { return this.blockTexts().join('\n') }

  /** Return [number of the block, offset in it]. */
  #block (offset) {
    let left = offset
    const lengths = this.blockTexts().map((text) => text.length)
    const index = lengths.findIndex((length) => (left -= length + 1) < 0)
    return [index, left + lengths[index] + 1]
  }

  #point (offset) {
    const [index, inside] = this.#block(offset)
    let left = inside
    const leaves = [...Node.texts(this.editor.children[index])]
    const at = leaves.findIndex(([leaf], i) => left <= leaf.text.length || ((left -= leaf.text.length), i < 0))
    return { path: [index, ...leaves[at][1]], offset: left }
  }

  range (from, to) { return { anchor: this.#point(from), focus: this.#point(to) } }

  /** Return the offset of a point. */
  offset ({ path: [index, ...inner], offset }) {
    const before = this.blockTexts().slice(0, index).reduce((sum, text) => sum + text.length + 1, 0)
    const leaves = [...Node.texts(this.editor.children[index])]
    const at = leaves.findIndex(([, path]) => path.join() === inner.join())
    return before + leaves.slice(0, at).reduce((sum, [leaf]) => sum + leaf.text.length, 0) + offset
  }

  async write (lines) {
    Editor.withoutNormalizing(this.editor, () => {
      this.editor.children.forEach(() => Transforms.removeNodes(this.editor, { at: [0] }))
      Transforms.insertNodes(this.editor, lines.map((text) => ({ type: 'paragraph', children: [{ text }] })), { at: [0] })
    })
    await turn()
  }

  async type (at, text) {
    Transforms.insertText(this.editor, text, { at: this.#point(at) })
    await turn()
  }

  async erase (from, to) {
    Transforms.delete(this.editor, { at: this.range(from, to), hanging: true })
    await turn()
  }

  async replace (from, to, text) {
    Transforms.select(this.editor, this.range(from, to))
    Transforms.delete(this.editor)
    Transforms.insertText(this.editor, text)
    await turn()
  }

  async split (at) {
    Transforms.splitNodes(this.editor, { at: this.#point(at), always: true })
    await turn()
  }

  async join (at) {
    Transforms.mergeNodes(this.editor, { at: [this.#block(at)[0] + 1] })
    await turn()
  }

  async bold (from, to) {
    Transforms.setNodes(this.editor, { bold: true }, { at: this.range(from, to), match: Text.isText, split: true })
    await turn()
  }

  async retype (at) {
    const path = [this.#block(at)[0]]
    const type = Node.get(this.editor, path).type === 'heading' ? 'paragraph' : 'heading'
    Transforms.setNodes(this.editor, { type }, { at: path })
    await turn()
  }

  async wrap (at) {
    const path = [this.#block(at)[0]]
    Transforms.setNodes(this.editor, { align: 'center' }, { at: path })
    await turn()
  }

  copy (from, to) { return Editor.fragment(this.editor, this.range(from, to)) }

  async paste (at, fragment) {
    Transforms.insertFragment(this.editor, fragment, { at: this.#point(at) })
    await turn()
  }

  isTop () { return true }

  async move (at, to) {
    Transforms.moveNodes(this.editor, { at: [this.#block(at)[0]], to: [this.#block(to)[0]] })
    await turn()
  }

  async rewrite (at, text) {
    const [index] = this.#block(at)
    const { children, ...attributes } = this.editor.children[index]
    Editor.withoutNormalizing(this.editor, () => {
      Transforms.removeNodes(this.editor, { at: [index] })
      Transforms.insertNodes(this.editor, { ...attributes, children: [{ text }] }, { at: [index] })
    })
    await turn()
  }

  async setContent (change) {
    const value = { content: structuredClone(this.editor.children) }
    change?.(value)
    Editor.withoutNormalizing(this.editor, () => {
      this.editor.children.forEach(() => Transforms.removeNodes(this.editor, { at: [0] }))
      Transforms.insertNodes(this.editor, value.content, { at: [0] })
    })
    await turn()
  }

  async rebuild () {
    const { sharedRoot, children } = this.editor
    const made = children.filter(Element.isElement).map((node) => {
      const text = new Y.XmlText()
      text.setAttribute('type', node.type)
      text.insert(0, Node.string(node))
      return text
    })
    sharedRoot.doc.transact(() => {
      sharedRoot.delete(0, sharedRoot.length)
      made.forEach((text, at) => sharedRoot.insertEmbed(at, text))
    }, 'a program')
    await turn()
  }

  stop () { this.editor.undoManager.stopCapturing() }

  async undo () {
    this.editor.undo()
    await turn()
  }

  async redo () {
    this.editor.redo()
    await turn()
  }

  relative (from, to) {
    const { anchor, focus } = slateRangeToRelativeRange(this.editor.sharedRoot, this.editor, this.range(from, to))
    return { start: anchor, end: focus }
  }

  close () { YjsEditor.disconnect(this.editor) }
}

// With a second person slate-yjs 1.0.2 throws every now and then ("Path doesn't match yText") or shows another text than
// its document holds; with marks, within some dozen operations.
export const breaks = true
export const weightsOfTwo = { bold: 0 }

export const root = 'content'
export const kind = 'slate'
export const rootOf = (doc) => doc.get(root, Y.XmlText)

export const open = async (doc) => {
  const editor = withYHistory(withYjs(createEditor(), rootOf(doc)))
  YjsEditor.connect(editor)
  await turn()
  return new Slate(editor)
}
