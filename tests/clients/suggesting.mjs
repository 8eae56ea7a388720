// An author suggests in an unmodified editor, and the editors of the scene get what is accepted.
import { attach } from './editors.mjs'
import { ask, check, scenario, sleep, told, until } from './room.mjs'

const { open } = await import(`./anchors/writers/${told.writer}.mjs`)
const path = `/api/scenes/${told.scene}`
const LINES = ['It was a dreary night of November.', 'The rain pattered against the panes.', 'I slept. I woke up.']

const edit = async (person, branch) => {
  const { doc, provider } = await attach(person, branch)
  const editor = await open(doc)
  return { editor, text: () => editor.blockTexts().join('\n'), leave: () => { editor.close(); provider.destroy() } }
}

const listed = async (status = 'OPEN') =>
  JSON.parse(await ask(told.people.ada, 'GET', `${path}/suggestions?status=${status}`)).items

/** Wait until as many suggestions are open; returns them as they stand in the text. */
const open_ = async (count) => {
  let found = []
  for (let at = 0; at < 100; at++) {
    found = await listed()
    if (found.length === count) return found.sort((one, other) => one.anchor.from - other.anchor.from)
    await sleep(100)
  }
  throw new Error(`${found.length} suggestions: ${JSON.stringify(found.map(({ kind, base, text }) => [kind, base, text]))}`)
}

const decide = (one, what) => ask(told.people.ada, 'POST', `/api/suggestions/${one.id}/${what}`)

const typed = async (editor, at, words) => {
  for (const [number, letter] of [...words].entries()) {
    await editor.type(at + number, letter)
    await sleep(20)
  }
}

scenario(async () => {
  const { ada, ben } = told.people
  const scene = await edit(ada)
  await scene.editor.write(LINES)
  await sleep(300)
  const { id } = JSON.parse(await ask(ben, 'POST', `${path}/suggesting`))
  const branch = await edit(ben, id)
  await until('the branch begins as the scene is', () => branch.text() === LINES.join('\n'))

  // Typed letter by letter, erased, and a paragraph split in two.
  const text = () => branch.text()
  await typed(branch.editor, text().indexOf(' night'), ' and stormy')
  const rain = text().indexOf('pattered against')
  await branch.editor.erase(rain, rain + 'pattered '.length)
  await branch.editor.split(text().indexOf('I woke'))
  const theirs = text()
  const [storm, erased, split] = await open_(3)
  check('the scene is as it was', scene.text() === LINES.join('\n'))
  const said = [storm, erased, split].map(({ kind, base, text }) => [kind, base, text])

  // The scene moves on under both.
  await typed(scene.editor, 0, 'Letter. ')
  await until('the author sees it', () => branch.text() === `Letter. ${theirs}`, 10_000)

  await decide(storm, 'accept')
  await until('the scene has it', () => scene.text().includes('dreary and stormy night'))
  await decide(erased, 'reject')
  await until('the rejected one is gone', () => branch.text().includes('rain pattered against'), 10_000)
  await decide(split, 'accept')
  await until('both are the same', () => branch.text() === scene.text(), 10_000)
  await open_(0)
  const once = { scene: scene.text(), branch: branch.text(), accepted: (await listed('ACCEPTED')).length }

  // Formatting, where the editor has some.
  let styled = null
  if (branch.editor.bold) {
    const from = branch.text().indexOf('panes')
    await branch.editor.bold(from, from + 'panes'.length)
    const [bold] = await open_(1)
    styled = { kind: bold.kind, base: bold.base, block: bold.attributes.block }
    await decide(bold, 'accept')
    await open_(0)
  }

  // The author goes on in the same branch, and thinks better of it.
  await typed(branch.editor, branch.text().length, ' Late.')
  const [late] = await open_(1)
  await branch.editor.erase(branch.text().length - ' Late.'.length, branch.text().length)
  await open_(0)
  const withdrawn = (await listed('WITHDRAWN')).map(({ id }) => id === late.id)
  await sleep(300)
  const last = { scene: scene.text(), branch: branch.text() }
  scene.leave()
  branch.leave()
  return { said, once, styled, withdrawn, last }
})
