// CodeMirror on the root "content".
import '../browser.mjs'
import { EditorState } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { yCollab } from 'y-codemirror.next'
import * as Y from 'yjs'

// CodeMirror looks for these elsewhere than others do.
Object.assign(window, { requestAnimationFrame, cancelAnimationFrame })
globalThis.Window ??= window.Window

export const open = async (doc) => {
  const text = doc.get('content', Y.Text)
  const state = EditorState.create({ doc: text.toString(), extensions: [yCollab(text, null)] })
  const view = new EditorView({ state, parent: document.body.appendChild(document.createElement('div')) })
  return {
    text: () => view.state.doc.toString(),
    json: () => view.state.doc.toJSON(),
    close: () => view.destroy()
  }
}
