// What clients/anchors promises, tried in one editor: node behaviour.mjs follows|draws|decorates EDITOR
import './peers.mjs'
import assert from 'node:assert/strict'
import * as Y from 'yjs'

const { anchorOf, decorateThreads, moved, rangeOf, showThreads, threadsPlugin } =
  await import('../../../clients/anchors/index.mjs')
const LINES = ['It was on a dreary night of November.', 'The rain pattered dismally against the panes.', 'My candle was out.']
const turn = () => new Promise((resolve) => setTimeout(resolve, 1))

/** An editor with text, and the document of another person, which shares it. */
class Scene {
  static async open (name) {
    const scene = new Scene()
    scene.module = await import(`./writers/${name}.mjs`)
    scene.doc = new Y.Doc()
    scene.writer = await scene.module.open(scene.doc)
    await scene.writer.write(LINES)
    await turn()
    return scene
  }

  at (words) { return this.writer.text().indexOf(words) }

  span (words) { return [this.at(words), this.at(words) + words.length] }

  place (from, to) {
    const { kind } = this.module
    if (kind === 'plain') return { text: this.writer.shared, from, to }
    if (kind === 'slate') return { editor: this.writer.editor, range: this.writer.range(from, to) }
    return { state: this.writer.state, from: this.writer.pos(from), to: this.writer.pos(to) }
  }

  select (words) { return anchorOf(this.place(...this.span(words))) }

  /** Return the words on which an anchor is. */
  words (anchor) {
    const range = rangeOf(anchor, this.place(0, 0))
    if (!range) return null
    const { kind } = this.module
    const [from, to] = kind === 'plain'
      ? [range.from, range.to]
      : kind === 'slate'
        ? [this.writer.offset(range.anchor), this.writer.offset(range.focus)]
        : [this.writer.offset(range.from), this.writer.offset(range.to)]
    return this.writer.text().slice(from, to)
  }

  /** Let another person change the document, with an editor of the same kind. */
  async remotely (change) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(this.doc))
    const writer = await this.module.open(doc)
    await change(writer)
    await turn()
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(this.doc)))
    writer.close()
    await turn()
  }
}

const follows = async (scene) => {
  const { writer } = scene
  const anchor = scene.select('dreary night')
  assert.equal(scene.words(anchor), 'dreary night')
  // The server answers with ids alone.
  const { start, end } = anchor.yjs
  const answered = [start, end].map(({ item, assoc }) => ({ type: null, tname: null, item, assoc }))
  assert.equal(scene.words({ yjs: { start: answered[0], end: answered[1] } }), 'dreary night')
  assert.equal(scene.words({ yjs: { start: answered[0], end: answered[0] } }), null, 'as of an orphaned anchor')
  assert.equal(anchorOf(scene.place(3, 3)), null)
  const backward = scene.place(...scene.span('dreary night'))
  if (backward.text) [backward.from, backward.to] = [backward.to, backward.from]
  else if (backward.range) backward.range = { anchor: backward.range.focus, focus: backward.range.anchor }
  assert.deepEqual(anchorOf(backward), anchor)

  await writer.type(scene.at('dreary'), 'very ')
  await writer.type(scene.at(' of November'), 'fall')
  assert.equal(scene.words(anchor), 'dreary night')
  await scene.remotely((other) => other.type(other.text().indexOf('dreary'), 'most '))
  await scene.remotely((other) => other.type(other.text().indexOf('fall of'), '-'))
  await writer.type(scene.at('ary night'), 'e')
  assert.equal(scene.words(anchor), 'dreeary night')

  await writer.erase(...scene.span('eeary'))
  assert.equal(scene.words(anchor), 'dr night')
  await scene.remotely((other) => other.erase(other.text().indexOf('ight'), other.text().indexOf('ight') + 2))
  assert.equal(scene.words(anchor), 'dr nht')
  writer.stop()
  await writer.erase(...scene.span('ht-'))
  assert.equal(scene.words(anchor), null, 'without its last character only the server knows')
  await writer.undo()
  assert.ok(scene.at('nht-fall') > 0)
  assert.equal(scene.words(anchor), null, 'what an undo brings back is new text')

  // The end of a line and the beginning of the next one belong to no block.
  const [, from] = scene.span('November.')
  const crossing = anchorOf(scene.place(from - 9, from + 9))
  assert.equal(scene.words(crossing), 'November.\nThe rain')
  const gap = anchorOf(scene.place(from, from + 4))
  assert.equal(scene.words(gap), scene.module.kind === 'plain' ? '\nThe' : 'The')
  assert.equal(rangeOf({ yjs: null }, scene.place(0, 0)), null)
}

const draws = async (scene) => {
  const { Plugin } = await import('prosemirror-state')
  const { Decoration, DecorationSet } = await import('prosemirror-view')
  const { writer } = scene
  const thread = (id, words) => ({ id, anchor: { id: `anchor of ${id}`, ...scene.select(words) } })
  let threads = [thread('one', 'dreary night'), thread('two', 'panes.\nMy candle'), thread('three', 'rain')]
  const plugin = threadsPlugin({ Plugin, Decoration, DecorationSet }, { threads })
  writer.view.updateState(writer.state.reconfigure({ plugins: [...writer.state.plugins, plugin] }))
  await turn()
  const drawn = (id) => [...writer.view.dom.querySelectorAll(`[data-thread="${id}"]`)].map((one) => one.textContent).join('|')

  assert.equal(drawn('one'), 'dreary night')
  assert.equal(drawn('two'), 'panes.|My candle')
  await writer.type(scene.at('dreary'), 'very ')
  await writer.type(scene.at(' of November'), 'fall')
  assert.equal(drawn('one'), 'dreary night')
  await scene.remotely((other) => other.type(other.text().indexOf('candle'), 'good '))
  assert.deepEqual([drawn('one'), drawn('two'), drawn('three')], ['dreary night', 'panes.|My good candle', 'rain'])

  // The binding builds a block of another type anew, which ends all ids in it.
  writer.retype(scene.at('dreary'))
  assert.equal(scene.words(threads[0].anchor), null)
  assert.equal(drawn('one'), 'dreary night')
  await scene.remotely((other) => other.type(0, 'Once. '))
  await scene.remotely((other) => other.type(other.text().length, ' Gone.'))
  assert.equal(drawn('one'), 'dreary night')

  threads = moved(threads, { anchor: { id: 'anchor of one', ...scene.select('dreary night') } })
  showThreads(writer.view, threads)
  assert.equal(scene.words(threads[0].anchor), 'dreary night')
  assert.equal(drawn('one'), 'dreary night')
  await scene.remotely((other) => other.retype(other.text().indexOf('rain')))
  assert.equal(drawn('three'), '', 'another person ended its ids: the server has to say where it is')
  threads = moved(threads, { anchor: { id: 'anchor of three', ...scene.select('rain') } })
  showThreads(writer.view, threads)
  assert.deepEqual([drawn('one'), drawn('three')], ['dreary night', 'rain'])
  showThreads(writer.view, moved(threads, { anchor: { id: 'anchor of one', yjs: null } }))
  assert.deepEqual([drawn('one'), drawn('three')], ['', 'rain'])
}

const decorates = async (scene) => {
  const { Node } = await import('slate')
  const { editor } = scene.writer
  const thread = (id, words) => ({ id, anchor: { id, ...scene.select(words) } })
  await scene.writer.bold(...scene.span('night'))
  const threads = [thread('one', 'dreary night of'), thread('two', 'panes.\nMy candle')]
  const decorate = decorateThreads(editor, threads)
  const drawn = (id) => [...Node.nodes(editor)].flatMap(decorate).filter((range) => range.thread === id)
    .map(({ anchor, focus }) => Node.get(editor, anchor.path).text.slice(anchor.offset, focus.offset)).join('|')
  assert.equal(drawn('one'), 'dreary |night| of')
  assert.equal(drawn('two'), 'panes.|My candle')
  await scene.writer.type(scene.at('dreary'), 'very ')
  await scene.remotely((other) => other.type(other.text().indexOf('candle'), 'good '))
  assert.equal(drawn('one'), 'dreary |night| of')
  assert.equal(drawn('two'), 'panes.|My good candle')
  await scene.writer.erase(...scene.span('dreary night of'))
  assert.equal(drawn('one'), '')
}

console.log = console.info = console.warn
const [name, editor] = process.argv.slice(2)
await ({ follows, draws, decorates })[name](await Scene.open(editor))
process.exit(0)
