// Somebody on /ws beside y-prosemirror with its cursor plugin: drawn where they are, or not at all.
import './browser.mjs'
import { Schema } from 'prosemirror-model'
import { EditorState, TextSelection } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import { absolutePositionToRelativePosition, yCursorPlugin, ySyncPlugin, ySyncPluginKey } from 'y-prosemirror'
import { attach } from './editors.mjs'
import { Desk, seenBy } from './desk.mjs'
import { scenario, told, until } from './room.mjs'

const schema = new Schema({
  nodes: {
    doc: { content: 'paragraph+' },
    paragraph: { content: 'text*', toDOM: () => ['p', 0] },
    text: {}
  }
})

scenario(async () => {
  const { ada, ben } = told.people
  const { doc, provider } = await attach(ben)
  const thrown = []
  process.on('uncaughtException', (error) => thrown.push(String(error)))
  const view = new EditorView(document.createElement('div'), {
    state: EditorState.create({
      schema,
      plugins: [ySyncPlugin(doc.getXmlFragment('prosemirror')), yCursorPlugin(provider.awareness)]
    })
  })
  await until('bound', () => view.state.doc.childCount > 0)
  view.dispatch(view.state.tr.insertText('The ice was here', 1))
  const desk = new Desk(ada)
  await desk.hello()
  await desk.join()
  const seen = () => [...provider.awareness.getStates().values()].find(({ user }) => user?.id === ada.id)
  const drawn = () => [...view.dom.querySelectorAll('.ProseMirror-yjs-cursor')].map((each) => each.textContent.trim())

  desk.say('presence.update', { cursor: { from: 3, to: 3 }, color: '#ff8800' })
  await until('numbers arrive', () => seen()?.cursor?.from === 3)
  view.dispatch(view.state.tr.insertText('!', 17))
  const withNumbers = drawn()

  const sync = ySyncPluginKey.getState(view.state)
  const at = absolutePositionToRelativePosition(5, sync.type, sync.binding.mapping)
  const position = JSON.parse(JSON.stringify(at))
  desk.say('presence.update', { cursor: { from: 4, to: 4 }, relative: { anchor: position, head: position } })
  await until('positions are drawn', () => drawn().length > 0)
  const withPositions = drawn()

  view.hasFocus = () => true
  view.dispatch(view.state.tr.setSelection(TextSelection.create(view.state.doc, 2, 6)))
  view.dom.dispatchEvent(new window.FocusEvent('focusin'))
  await until('its own cursor reaches /ws', () => seenBy(desk, ben.id)?.relative)
  const own = seenBy(desk, ben.id)
  view.destroy()
  provider.destroy()
  return { withNumbers, withPositions, own: Object.keys(own.relative).sort(), name: own.name, thrown }
})
