// BlockNote with its default schema, on the fragment that its documentation names.
import '../browser.mjs'
import { BlockNoteEditor } from '@blocknote/core'

export const open = async (doc) => {
  const editor = BlockNoteEditor.create({
    collaboration: { fragment: doc.getXmlFragment('document-store'), user: { name: 'Ada', color: '#000000' } }
  })
  editor.mount(document.createElement('div'))
  return {
    text: () => editor.prosemirrorState.doc.textBetween(0, editor.prosemirrorState.doc.content.size, '\n'),
    json: () => editor.prosemirrorState.doc.toJSON(),
    close: () => editor.unmount()
  }
}
