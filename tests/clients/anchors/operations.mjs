// The operations that people do, in terms of the flat text: the editor does them, and the text is foretold.

const WORDS = [' and', ' very', ' she', ' not', ', perhaps', ' nevertheless', ' été', ' 𝄞', '. Then', 'x', 'e', ' the ice']
const SENTENCES = ['He said nothing more that evening. ', 'The wind had turned, and nobody slept. ']
const LETTERS_MAX = 7
const BLOCK_TEXT_MIN = 2

/** How often each is done, of about a hundred. */
export const BUSY = {
  word: 24, letters: 13, sentence: 2, backspace: 8, erase: 9, eraseSentence: 2, replace: 4, split: 6, join: 5,
  retype: 2.5, wrap: 1.5, bold: 5, cutPaste: 4, copyPaste: 1.5, eraseUndo: 3.5, undo: 3, undoRedo: 2, rewrite: 1.2,
  move: 1.5, setContent: 0.25, rebuild: 0.15
}
/** Writing that leaves most blocks alone. */
export const CALM = {
  ...BUSY, split: 1.5, join: 0.7, retype: 0.4, wrap: 0.2, rewrite: 0.2, move: 0.2, cutPaste: 2, setContent: 0, rebuild: 0
}

/** Return `lived` with the units from..to replaced. */
const spliced = ({ text, uids }, from, to, inserted = '', own = []) => ({
  text: text.slice(0, from) + inserted + text.slice(to),
  uids: [...uids.slice(0, from), ...own, ...uids.slice(to)]
})

/** Return the blocks of what an editor shows as [start, end]. A block may hold line feeds. */
const blocksOf = (editor) => {
  let start = 0
  return editor.blockTexts().map((text) => {
    const found = [start, start + text.length]
    start += text.length + 1
    return found
  })
}

const isLow = (unit) => unit >= 0xDC00 && unit <= 0xDFFF

/** One operation of one person: what it chooses from, and how it is done. */
export class Operation {
  /**
   * @param {import('./session.mjs').Session} session
   * @param {import('./person.mjs').Person} person
   */
  constructor (session, person) {
    this.session = session
    this.dice = session.dice
    this.person = person
    this.editor = person.editor
  }

  get lived () { return this.session.ledger.lived(this.person.read()) }

  /** Return a new character for each UTF-16 unit of `text`. */
  fresh (text) { return Array.from({ length: text.length }, () => this.session.ledger.fresh()) }

  /** Return an offset between two characters. */
  safe (text, at) { return isLow(text.charCodeAt(at)) ? at - 1 : at }

  /** Return where somebody would write: often where they wrote before, sometimes at the edge of an anchor. */
  place ({ text, uids }) {
    const luck = this.dice.next()
    let at = this.dice.below(text.length + 1)
    if (luck < 0.35) at = Math.min(text.length, this.person.caret + this.dice.below(40))
    else if (luck < 0.5 && this.session.anchors.length) {
      const anchor = this.dice.pick(this.session.anchors)
      const edge = this.dice.chance(0.5) ? uids.indexOf(anchor.uids[0]) : uids.indexOf(anchor.uids.at(-1)) + 1
      if (edge > 0) at = edge
    }
    this.person.caret = at
    return this.safe(text, at)
  }

  /** Return [from, to] with `least` to `most` units, in one line unless it may cross. */
  span (lived, least, most, crossing = 0) {
    const from = this.place(lived)
    const wanted = from + least + this.dice.below(most - least + 1)
    const end = this.dice.chance(crossing) ? lived.text.length : lived.text.indexOf('\n', from)
    const to = this.safe(lived.text, Math.min(wanted, end < 0 ? lived.text.length : end))
    return to - from < least ? null : [from, to]
  }

  /** Return a block with some text as [start, end], perhaps only one that stands directly in the document. */
  line (lived, top = false) {
    const lines = blocksOf(this.editor).filter(([start, end]) => end - start >= BLOCK_TEXT_MIN)
    const found = lines.length ? this.dice.pick(lines) : null
    return found && top && !this.editor.isTop(found[0]) ? null : found
  }

  /** Do it, and say which characters must be there afterwards. */
  act (run, expected) { return this.session.act(this.person, run, expected) }

  async insert (at, text) {
    await this.act(() => this.editor.type(at, text), spliced(this.lived, at, at, text, this.fresh(text)))
    this.person.caret = at + text.length
  }

  async erased (lived, [from, to]) {
    await this.act(() => this.editor.erase(from, to), spliced(lived, from, to))
    this.person.caret = from
  }

  word () { return this.insert(this.place(this.lived), this.dice.pick(WORDS)) }

  sentence () { return this.insert(this.place(this.lived), this.dice.pick(SENTENCES)) }

  async letters () {
    const word = this.dice.pick(SENTENCES).slice(0, 1 + this.dice.below(LETTERS_MAX))
    let at = this.place(this.lived)
    for (const letter of word) await this.insert(at++, letter)
  }

  async backspace () {
    let at = this.place(this.lived)
    for (let left = 1 + this.dice.below(LETTERS_MAX); left && at; left--) {
      const { text } = this.lived
      const from = this.safe(text, at - 1)
      if (text[from] === '\n') return
      await this.erased(this.lived, [from, at])
      at = from
    }
  }

  async erase () {
    const span = this.span(this.lived, 1, 14, 0.2)
    if (span) await this.erased(this.lived, span)
  }

  async eraseSentence () {
    const span = this.span(this.lived, 20, 200, 0.3)
    if (span) await this.erased(this.lived, span)
  }

  async replace () {
    const span = this.span(this.lived, 3, 30)
    if (!span) return
    const text = this.dice.pick(SENTENCES).slice(0, 4 + this.dice.below(20))
    await this.act(() => this.editor.replace(...span, text), spliced(this.lived, ...span, text, this.fresh(text)))
  }

  async split () {
    const at = this.place(this.lived)
    await this.act(() => this.editor.split(at), spliced(this.lived, at, at, '\n', [-1]))
  }

  async join () {
    const breaks = blocksOf(this.editor).slice(1).map(([start]) => start - 1)
    if (!breaks.length) return
    const at = this.dice.pick(breaks)
    await this.act(() => this.editor.join(at), spliced(this.lived, at, at + 1))
  }

  async #dressed (method, top) {
    const line = this.line(this.lived, top)
    if (line && this.editor[method]) await this.act(() => this.editor[method](line[0]), this.lived)
  }

  retype () { return this.#dressed('retype') }

  wrap () { return this.#dressed('wrap') }

  async bold () {
    const span = this.span(this.lived, 2, 60)
    if (span && this.editor.bold) await this.act(() => this.editor.bold(...span), this.lived)
  }

  /** Take a passage into the clipboard. */
  #take ([from, to]) {
    const { text, uids } = this.lived
    const content = this.editor.copy(from, to)
    this.person.clipboard = { content, text: text.slice(from, to), uids: uids.slice(from, to) }
  }

  async paste () {
    const { content, text, uids } = this.person.clipboard
    const lived = this.lived
    const alive = new Set(lived.uids)
    // Characters that are still there are not moved by a paste, but doubled.
    const own = uids.map((uid) => uid >= 0 && alive.has(uid) ? this.session.ledger.fresh() : uid)
    const at = this.place(lived)
    await this.act(() => this.editor.paste(at, content), spliced(lived, at, at, text, own))
  }

  async cutPaste () {
    const span = this.span(this.lived, 15, 140, 0.25)
    if (!span) return
    this.#take(span)
    await this.erased(this.lived, span)
    // Some paste at once, some write on first.
    for (let between = this.dice.below(4); between; between--) await this.word()
    await this.paste()
  }

  async copyPaste () {
    const span = this.span(this.lived, 15, 140)
    if (!span) return
    this.#take(span)
    await this.paste()
  }

  #undo () { return this.act(() => this.editor.undo(), null) }

  #redo () { return this.act(() => this.editor.redo(), null) }

  async eraseUndo () {
    const span = this.span(this.lived, 10, 200, 0.3)
    if (!span) return
    await this.erased(this.lived, span)
    await this.session.exchange()
    await this.#undo()
  }

  async undo () {
    for (let steps = 1 + this.dice.below(3); steps; steps--) await this.#undo()
  }

  async undoRedo () {
    const steps = 1 + this.dice.below(4)
    for (let step = 0; step < steps; step++) await this.#undo()
    for (let step = this.dice.below(2); step < steps; step++) await this.#redo()
  }

  async rewrite () {
    const line = this.line(this.lived)
    if (!line) return
    const [start, end] = line
    const lived = this.lived
    const word = this.dice.chance(0.5) ? ' indeed' : ''
    const at = this.safe(lived.text, start + this.dice.below(end - start))
    const expected = spliced(lived, at, at, word, this.fresh(word))
    const text = expected.text.slice(start, end + word.length)
    await this.act(() => this.editor.rewrite(start, text), expected)
  }

  /** Drag a block elsewhere. */
  async move () {
    const lived = this.lived
    const [line, other] = [this.line(lived, true), this.line(lived, true)]
    if (!line || !other || line[0] === other[0]) return
    const lines = blocksOf(this.editor)
    const [from, to] = [line, other].map((one) => lines.findIndex(([start]) => start === one[0]))
    lines.splice(to, 0, ...lines.splice(from, 1))
    const parts = lines.map(([start, end]) => ({ text: lived.text.slice(start, end), uids: lived.uids.slice(start, end) }))
    const expected = {
      text: parts.map(({ text }) => text).join('\n'),
      uids: parts.flatMap(({ uids }, at) => at ? [-1, ...uids] : uids)
    }
    await this.act(() => this.editor.move(line[0], other[0]), expected)
  }

  async setContent () {
    const lived = this.lived
    const word = 'Once more. '
    let changed = false
    const change = (value) => {
      const leaf = (value.content[0].content ?? value.content[0].children)?.[0]
      if (typeof leaf?.text !== 'string' || !this.dice.chance(0.5)) return
      leaf.text = word + leaf.text
      changed = true
    }
    // Whether there is a leaf to change is known only in the editor's own form of the document.
    await this.act(() => this.editor.setContent(change), () => changed ? spliced(lived, 0, 0, word, this.fresh(word)) : lived)
  }

  async rebuild () {
    if (this.session.rebuilt) return
    this.session.rebuilt = true
    await this.act(() => this.editor.rebuild(), this.lived)
  }
}
