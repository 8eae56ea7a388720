// slate-yjs on the root "content", with the elements in lines that docs/formats.md names.
import { withYjs, YjsEditor } from '@slate-yjs/core'
import { createEditor, Editor, Node } from 'slate'
import * as Y from 'yjs'

const INLINE = ['link', 'mention', 'emoji', 'footnote']

/** Show the text `root` with `editor`, as any application does. */
export const openSlate = (base, root, normalize) => {
  const editor = withYjs(base, root)
  YjsEditor.connect(editor)
  // What an editor would put right when somebody writes beside it, it puts right now.
  normalize(editor)
  YjsEditor.flushLocalChanges(editor)
  return {
    text: () => editor.children.map((node) => Node.string(node)).join('\n'),
    json: () => editor.children,
    close: () => YjsEditor.disconnect(editor)
  }
}

export const open = async (doc) => {
  const base = createEditor()
  base.isInline = (element) => INLINE.includes(element.type)
  return openSlate(base, doc.get('content', Y.XmlText), (editor) => Editor.normalize(editor, { force: true }))
}
