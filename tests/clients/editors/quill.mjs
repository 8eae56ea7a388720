// Quill with its own formats, tables among them, on the root "quill".
import '../browser.mjs'
import Quill from 'quill'
import { QuillBinding } from 'y-quill'
import * as Y from 'yjs'

export const open = async (doc) => {
  const quill = new Quill(document.body.appendChild(document.createElement('div')), { modules: { table: true } })
  const binding = new QuillBinding(doc.get('quill', Y.Text), quill)
  quill.update()
  return {
    text: () => quill.getText(),
    json: () => quill.getContents().ops,
    close: () => {
      binding.destroy()
      quill.container.remove()
    }
  }
}
