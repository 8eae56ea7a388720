// Tiptap 3 as index.mjs opens it, with the functions of its binding beside it.
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import { extensions } from './index.mjs'

export { absolutePositionToRelativePosition, ySyncPluginKey, yUndoPluginKey } from '@tiptap/y-tiptap'

export const create = (doc) => new Editor({
  element: document.createElement('div'),
  extensions: [...extensions, Collaboration.configure({ document: doc })]
})
