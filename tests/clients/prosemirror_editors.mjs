// Tiptap and bare ProseMirror with their real bindings, attached to the scene.
import './browser.mjs'
import { Editor as TiptapEditor, mergeAttributes, Node as TiptapNode } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import Link from '@tiptap/extension-link'
import Underline from '@tiptap/extension-underline'
import StarterKit from '@tiptap/starter-kit'
import { Schema } from 'prosemirror-model'
import { EditorState } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import { undo, ySyncPlugin, yUndoPlugin } from 'y-prosemirror'
import { attach, digest } from './editors.mjs'
import { until } from './room.mjs'

const Screenplay = ['scene-heading', 'action', 'character', 'dialogue'].map((name) =>
  TiptapNode.create({
    name,
    group: 'block',
    content: 'inline*',
    addAttributes: () => ({ n: { default: null } }),
    parseHTML: () => [{ tag: `p[data-${name}]` }],
    renderHTML: ({ HTMLAttributes }) => ['p', mergeAttributes(HTMLAttributes, { [`data-${name}`]: '' }), 0]
  })
)

/** Tiptap with its collaboration extension, attached to the scene. */
export const tiptap = async (person) => {
  const { doc, provider } = await attach(person)
  const errors = []
  const editor = new TiptapEditor({
    element: document.createElement('div'),
    extensions: [
      StarterKit.configure({ history: false }), Underline, Link.configure({ openOnClick: false }),
      ...Screenplay, Collaboration.configure({ document: doc })
    ],
    onContentError: ({ error }) => errors.push(String(error))
  })
  return {
    doc, editor, errors,
    get value () { return editor.getJSON() },
    digest: () => digest(doc),
    undo: () => editor.commands.undo(),
    leave: () => { editor.destroy(); provider.destroy() }
  }
}

const schema = new Schema({
  nodes: {
    doc: { content: 'block+' },
    paragraph: { group: 'block', content: 'inline*', toDOM: () => ['p', 0] },
    'scene-heading': { group: 'block', content: 'inline*', toDOM: () => ['h2', 0] },
    text: { group: 'inline' }
  },
  marks: { em: { toDOM: () => ['em', 0] } }
})

/** Bare ProseMirror with y-prosemirror on the fragment "prosemirror". */
export const prosemirror = async (person) => {
  const { doc, provider } = await attach(person)
  const fragment = doc.getXmlFragment('prosemirror')
  const view = new EditorView(document.createElement('div'), {
    state: EditorState.create({ schema, plugins: [ySyncPlugin(fragment), yUndoPlugin()] })
  })
  await until('bound', () => view.state.doc.childCount > 0)
  return {
    doc, view, schema,
    get value () { return view.state.doc.toJSON() },
    digest: () => digest(doc),
    undo: () => undo(view.state),
    leave: () => { view.destroy(); provider.destroy() }
  }
}

