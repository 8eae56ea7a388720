// slate-yjs, attached to the scene.
import { withYHistory, withYjs, YjsEditor } from '@slate-yjs/core'
import { createEditor, Editor } from 'slate'
import * as Y from 'yjs'
import { attach, digest } from './editors.mjs'

export const slate = async (person) => {
  const { doc, provider } = await attach(person)
  const root = doc.get('content', Y.XmlText)
  const editor = withYHistory(withYjs(createEditor(), root))
  editor.isInline = (element) => ['link', 'mention'].includes(element.type)
  YjsEditor.connect(editor)
  // Inline elements get the empty leaves beside them that Yjs does not keep.
  Editor.normalize(editor, { force: true })
  return {
    doc,
    editor,
    root,
    get value () { return editor.children },
    digest: () => digest(doc),
    undo: () => editor.undo(),
    leave: () => {
      YjsEditor.disconnect(editor)
      provider.destroy()
    }
  }
}
