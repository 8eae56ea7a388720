// Lexical with its own nodes on the root "root", and every node touched, so that all its rules run.
import { CodeHighlightNode, CodeNode } from '@lexical/code'
import { HorizontalRuleNode } from '@lexical/extension'
import { HashtagNode } from '@lexical/hashtag'
import { createHeadlessEditor } from '@lexical/headless'
import { AutoLinkNode, LinkNode } from '@lexical/link'
import { ListItemNode, ListNode, registerList } from '@lexical/list'
import { HeadingNode, QuoteNode } from '@lexical/rich-text'
import { TableCellNode, TableNode, TableRowNode } from '@lexical/table'
import { createBinding, syncLexicalUpdateToYjs, syncYjsChangesToLexical } from '@lexical/yjs'
import { $getRoot } from 'lexical'
import * as Y from 'yjs'

const nodes = [
  AutoLinkNode, CodeHighlightNode, CodeNode, HashtagNode, HeadingNode, HorizontalRuleNode, LinkNode, ListItemNode,
  ListNode, QuoteNode, TableCellNode, TableNode, TableRowNode
]
const awareness = {
  getLocalState: () => null, getStates: () => new Map(), on: () => {}, off: () => {}, setLocalState: () => {},
  setLocalStateField: () => {}
}
const provider = { awareness, connect: () => {}, disconnect: () => {}, on: () => {}, off: () => {} }
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

/** An editor on `doc`, from the moment when the document is still empty, as its binding needs it. */
export const bind = (doc, onError) => {
  const editor = createHeadlessEditor({ nodes, onError })
  registerList(editor)
  const binding = createBinding(editor, provider, 'scene', doc, new Map([['scene', doc]]))
  binding.root.getSharedType().observeDeep((events, transaction) => {
    if (transaction.origin !== binding) syncYjsChangesToLexical(binding, provider, events, false, () => {})
  })
  editor.registerUpdateListener(({ prevEditorState, editorState, dirtyElements, dirtyLeaves, normalizedNodes, tags }) => {
    if (!tags.has('skip-collab')) {
      syncLexicalUpdateToYjs(
        binding, provider, prevEditorState, editorState, dirtyElements, dirtyLeaves, normalizedNodes, tags
      )
    }
  })
  return editor
}

export const open = async (doc) => {
  const copy = new Y.Doc()
  const errors = []
  const editor = bind(copy, (error) => errors.push(error))
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  copy.on('update', (update) => Y.applyUpdate(doc, update))
  await turn()
  editor.update(() => {
    for (const node of editor.getEditorState()._nodeMap.values()) if (node.isAttached()) node.markDirty()
  }, { discrete: true })
  await turn()
  if (errors.length) throw errors[0]
  return {
    text: () => editor.getEditorState().read(() => $getRoot().getTextContent()),
    json: () => editor.getEditorState().toJSON().root.children,
    close: () => {}
  }
}
