// What both releases of Tiptap have in common.

/** Return `open` for an editor of these parts. */
export const openTiptap = (Editor, Collaboration, extensions) => async (doc) => {
  const editor = new Editor({
    element: document.createElement('div'),
    extensions: [...extensions, Collaboration.configure({ document: doc })]
  })
  return {
    text: () => editor.state.doc.textBetween(0, editor.state.doc.content.size, '\n'),
    json: () => editor.getJSON(),
    close: () => editor.destroy()
  }
}
