// Anchors in editors: from a selection to what the server takes, and back to where it is now. See README.md.
import * as Y from 'yjs'

/**
 * @typedef {{client: number, clock: number}} Id
 * @typedef {{type?: Id | null, tname?: string | null, item?: Id | null, assoc?: number}} Position a relative position of
 *   Yjs as JSON
 * @typedef {{yjs: {start: Position, end: Position} | null}} Anchor what the server takes, and part of what it answers
 * @typedef {{id: string, anchor: Anchor & {id?: string}}} Thread anything with an anchor: a comment, a suggestion
 * @typedef {{state: any, from?: number, to?: number}} InProseMirror a state of ProseMirror or Tiptap; positions in its
 *   document, or those of its selection
 * @typedef {{editor: any, range?: any}} InSlate an editor of slate-yjs; a range, or its selection
 * @typedef {{text: Y.Text, from: number, to: number}} InText a text and UTF-16 offsets in it
 * @typedef {{type: any, index: number, length: number, at: any, flat: number}} Run characters side by side in one Y.Text
 *   `type` from `index` on; `at` is where the editor has them, `flat` how many characters stand before
 */

const isText = (node) => typeof node.text === 'string'
const samePath = (one, other) => one.length === other.length && one.every((step, at) => step === other[at])

/** What y-prosemirror, or Tiptap's copy of it, knows about this state. */
const syncPlugin = (state) => state.plugins.find((plugin) => plugin.key.startsWith('y-sync$'))

/** Pair the text of an XML fragment or element with the ProseMirror node that shows it. */
const proseRuns = (parent, node, start, runs) => {
  let at = start
  let index = 0
  for (const child of parent.toArray()) {
    if (child instanceof Y.XmlText) {
      runs.push({ type: child, index: 0, length: child.length, at })
      at += child.length
      for (let left = child.length; left > 0 && index < node.childCount; index++) left -= node.child(index).nodeSize
    } else if (index < node.childCount) {
      const shown = node.child(index++)
      proseRuns(child, shown, at + 1, runs)
      at += shown.nodeSize
    }
  }
  return runs
}

/** Pair the text of a Y.XmlText with the leaves of Slate that show it. */
const slateRuns = (type, element, path, runs) => {
  const inner = type.toDelta().map(({ insert }) => insert).filter((insert) => typeof insert !== 'string')
  let index = 0
  element.children.forEach((child, at) => {
    if (!isText(child)) slateRuns(inner.shift(), child, [...path, at], runs)
    else runs.push({ type, index, length: child.text.length, at: [...path, at] })
    index += isText(child) ? child.text.length : 1
  })
  return runs
}

const counted = (runs) => {
  let flat = 0
  for (const run of runs) {
    run.flat = flat
    flat += run.length
  }
  return runs
}

/**
 * One way to look at all kinds of editors: their runs, and places in them as numbers of characters.
 * @param {InProseMirror | InSlate | InText} place
 */
const surfaceOf = (place) => {
  if (place.text) {
    const runs = counted([{ type: place.text, index: 0, length: place.text.length, at: 0 }])
    const range = place.from === undefined ? null : [place.from, place.to]
    return { doc: place.text.doc, runs, range, show: ([from, to]) => ({ from, to }) }
  }
  if (place.editor) {
    const { sharedRoot, selection } = place.editor
    const runs = counted(slateRuns(sharedRoot, place.editor, [], []))
    const flat = ({ path, offset }) => runs.find(({ at }) => samePath(at, path)).flat + offset
    const point = (run, number) => ({ path: run.at, offset: number - run.flat })
    const range = 'range' in place ? place.range : selection
    return {
      doc: sharedRoot.doc,
      runs,
      range: range && [flat(range.anchor), flat(range.focus)],
      show: ([from, to]) => ({ anchor: point(runFrom(runs, from), from), focus: point(runUpTo(runs, to), to) })
    }
  }
  const { state, from = state.selection.from, to = state.selection.to } = place
  const { type } = syncPlugin(state).getState(state)
  const runs = counted(proseRuns(type, state.doc, 0, []))
  const flat = (pos) => {
    const run = runs.findLast(({ at }) => at <= pos)
    return run ? run.flat + Math.min(pos - run.at, run.length) : 0
  }
  const position = (run, number) => run.at + number - run.flat
  return {
    doc: type.doc,
    runs,
    range: [flat(from), flat(to)],
    show: ([start, end]) => ({ from: position(runFrom(runs, start), start), to: position(runUpTo(runs, end), end) })
  }
}

/** The run of the character behind a gap, and of the one before it. */
const runFrom = (runs, flat) => runs.find((run) => run.flat <= flat && flat < run.flat + run.length)
const runUpTo = (runs, flat) => runs.find((run) => run.flat < flat && flat <= run.flat + run.length)

/**
 * Return the anchor of a selection: the Yjs ids of its first and last character, so that typing at its edges stays
 * outside. Null when no character is selected.
 * @param {InProseMirror | InSlate | InText} selection
 * @returns {Anchor | null}
 */
export const anchorOf = (selection) => {
  const { runs, range } = surfaceOf(selection)
  const [start, end] = range ? [Math.min(...range), Math.max(...range)] : [0, 0]
  if (start === end) return null
  const position = (run, flat, assoc) =>
    Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(run.type, run.index + flat - run.flat, assoc))
  return {
    yjs: { start: position(runFrom(runs, start), start, 0), end: position(runUpTo(runs, end), end, -1) }
  }
}

/** Return the gap before a character (`assoc` 0) or behind it (-1), as a number of characters; 0 when its text is gone. */
const gap = ({ doc, runs }, json, assoc) => {
  // Text that an undo brings back has new ids; only the server says where it is, so that all people see the same.
  const position = Y.createRelativePositionFromJSON({ ...json, assoc })
  const found = Y.createAbsolutePositionFromRelativePosition(position, doc, false)
  const run = found && runs.findLast(({ type, index }) => type === found.type && index <= found.index)
  return run ? run.flat + Math.min(found.index - run.index, run.length) : 0
}

const rangeOn = (surface, { yjs }) => {
  // The ends of an orphaned anchor are one place, without a character.
  if (!yjs || yjs.end.assoc !== -1) return null
  const [start, behind] = [0, -1].map((assoc) => gap(surface, yjs.start, assoc))
  const [before, end] = [0, -1].map((assoc) => gap(surface, yjs.end, assoc))
  // On both sides of a character that is gone there is the same gap.
  return start < behind && before < end && start < end ? surface.show([start, end]) : null
}

/**
 * Return where an anchor is in this editor: `{from, to}`, or a range of Slate. Null when its first or its last character
 * is gone: then the server finds out where its words went, or what is left of them, and tells with `anchor.moved`.
 * @param {Anchor} anchor
 * @param {InProseMirror | InSlate | {text: Y.Text}} place
 */
export const rangeOf = (anchor, place) => rangeOn(surfaceOf(place), anchor)

/**
 * Return `threads` with the anchor that a message `anchor.moved` brings.
 * @param {Thread[]} threads
 * @param {{anchor: Anchor & {id: string}}} message
 * @returns {Thread[]}
 */
export const moved = (threads, { anchor }) =>
  threads.map((thread) => thread.anchor.id === anchor.id ? { ...thread, anchor } : thread)

const THREADS = 'scriptorium-threads'

/** Show these threads from now on in an editor that has the plugin. */
export const showThreads = (view, threads) => view.dispatch(view.state.tr.setMeta(THREADS, threads))

/**
 * Return where a thread was drawn last, in the document `now`. Null when that changed, or the server moved its anchor.
 * An editor that builds a block anew ends all ids in it; its words stay marked until the server has said the new ones.
 */
const lastRange = ({ threads, set, doc }, { id, anchor }, now) => {
  const known = threads.find((thread) => thread.id === id)?.anchor
  const pieces = set.find(undefined, undefined, (spec) => spec.thread === id)
  if (!pieces.length || JSON.stringify(known?.yjs) !== JSON.stringify(anchor.yjs)) return null
  const [from, to] = [Math.min(...pieces.map((one) => one.from)), Math.max(...pieces.map((one) => one.to))]
  const start = doc.content.findDiffStart(now.content)
  if (start === null || to <= start) return { from, to }
  const end = doc.content.findDiffEnd(now.content)
  return from >= end.a ? { from: from + end.b - end.a, to: to + end.b - end.a } : null
}

/**
 * Return a ProseMirror plugin that marks the words of threads. Put it behind the one of y-prosemirror; Tiptap takes it by
 * `editor.registerPlugin`. Decorations follow what is typed here, and are found by ids when something arrives.
 * @param {{Plugin: any, Decoration: any, DecorationSet: any}} prosemirror classes of the packages that the editor uses
 * @param {{threads?: Thread[], attributes?: (thread: Thread) => object}} options attributes of the words of a thread
 */
export const threadsPlugin = ({ Plugin, Decoration, DecorationSet }, options = {}) => {
  const { attributes = ({ id }) => ({ class: 'thread', 'data-thread': id }) } = options
  const drawn = (threads, state, before) => {
    const surface = surfaceOf({ state })
    const decorations = threads.flatMap((thread) => {
      const range = rangeOn(surface, thread.anchor) ?? lastRange(before, thread, state.doc)
      return range ? [Decoration.inline(range.from, range.to, attributes(thread), { thread: thread.id })] : []
    })
    return { threads, set: DecorationSet.create(state.doc, decorations), doc: state.doc }
  }

  const plugin = new Plugin({
    state: {
      init: (_, { doc }) => ({ threads: options.threads ?? [], set: DecorationSet.empty, doc }),
      apply (tr, before, old, state) {
        const threads = tr.getMeta(THREADS) ?? before.threads
        // While a change of this editor is applied, Yjs does not know it yet: what is drawn moves along.
        const isRemote = tr.getMeta(syncPlugin(state))?.isChangeOrigin
        if (threads !== before.threads || isRemote) return drawn(threads, state, before)
        return { threads, set: before.set.map(tr.mapping, tr.doc), doc: state.doc }
      }
    },
    props: { decorations: (state) => plugin.getState(state).set }
  })
  return plugin
}

/**
 * Return a `decorate` for Slate: each range has the `thread` it belongs to. Make a new one when threads change.
 * @param {any} editor an editor of slate-yjs
 * @param {Thread[]} threads
 */
export const decorateThreads = (editor, threads) => {
  let children = null
  let ranges = []
  return ([node, path]) => {
    if (!isText(node)) return []
    if (children !== editor.children) {
      children = editor.children
      const surface = surfaceOf({ editor, range: null })
      ranges = threads.flatMap(({ id, anchor }) => {
        const range = rangeOn({ ...surface, show: (flat) => flat }, anchor)
        return range ? surface.runs.map((run) => ({ run, thread: id, range })) : []
      })
    }
    return ranges.filter(({ run }) => samePath(run.at, path)).flatMap(({ run, thread, range: [start, end] }) => {
      const [from, to] = [Math.max(start - run.flat, 0), Math.min(end - run.flat, run.length)]
      return from < to ? [{ anchor: { path, offset: from }, focus: { path, offset: to }, thread }] : []
    })
  }
}
