// Bare ProseMirror with its own schemas: basic, lists and tables.
import '../browser.mjs'
import { Schema } from 'prosemirror-model'
import { marks, nodes } from 'prosemirror-schema-basic'
import { addListNodes } from 'prosemirror-schema-list'
import { EditorState } from 'prosemirror-state'
import { tableEditing, tableNodes } from 'prosemirror-tables'
import { EditorView } from 'prosemirror-view'
import { ySyncPlugin, yUndoPlugin } from 'y-prosemirror'

const basic = new Schema({ nodes, marks })
export const schema = new Schema({
  nodes: addListNodes(basic.spec.nodes, 'paragraph block*', 'block').append(
    tableNodes({ tableGroup: 'block', cellContent: 'block+', cellAttributes: {} })
  ),
  marks: basic.spec.marks
})

export const open = async (doc) => {
  const plugins = [ySyncPlugin(doc.getXmlFragment('prosemirror')), yUndoPlugin(), tableEditing()]
  const view = new EditorView(document.createElement('div'), { state: EditorState.create({ schema, plugins }) })
  return {
    text: () => view.state.doc.textBetween(0, view.state.doc.content.size, '\n'),
    json: () => view.state.doc.toJSON(),
    close: () => view.destroy()
  }
}
