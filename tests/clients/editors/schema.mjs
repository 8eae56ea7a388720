// Writes the definitions that the server brings along, from the editors themselves:
//   node tests/clients/editors/schema.mjs            (from the repository; after an upgrade of the packages)
//   node tests/clients/editors/schema.mjs --check    (exits 1 when a file is not what would be written)
import '../browser.mjs'
import { readFileSync, writeFileSync } from 'node:fs'
import { getSchema } from '@tiptap/core'
import { BlockNoteEditor } from '@blocknote/core'
import { schema as prosemirror } from './prosemirror.mjs'
import { extensions as tiptap2 } from './tiptap2.mjs'
import { extensions as tiptap3, getSchema as getSchema3 } from './tiptap3.mjs'

const FOLDER = new URL('../../../services/collab/formats/editors/data/', import.meta.url)

const attributes = (type) =>
  Object.fromEntries(
    Object.entries(type.attrs).map(([name, one]) => [name, one.hasDefault ? { default: one.default } : { required: true }])
  )

const nodes = (schema) =>
  Object.fromEntries(
    Object.values(schema.nodes).map(({ name, spec, isInline, ...type }) => [name, {
      content: spec.content ?? '', group: spec.group ?? '', ...(spec.marks === undefined ? {} : { marks: spec.marks }),
      ...(isInline ? { inline: true } : {}), ...(spec.atom ? { atom: true } : {}), ...(spec.code ? { code: true } : {}),
      attrs: attributes(type)
    }])
  )

const marks = (schema) =>
  Object.fromEntries(
    Object.values(schema.marks).map(({ name, spec, ...type }) => [name, {
      attrs: attributes(type), ...(spec.excludes === undefined ? {} : { excludes: spec.excludes }),
      ...(spec.group ? { group: spec.group } : {})
    }])
  )

/** A document of either schema is one of both together: what both know has the attributes of both. */
const union = (one, other) => {
  const found = { ...other, ...one }
  for (const name of Object.keys(one)) {
    if (!other[name]) continue
    const { attrs, ...rest } = one[name]
    const { attrs: more, ...same } = other[name]
    if (JSON.stringify(rest) !== JSON.stringify(same)) throw new Error(`${name}: ${JSON.stringify([rest, same])}`)
    found[name] = { ...rest, attrs: { ...more, ...attrs } }
  }
  return found
}

const block = (ours, type, when = {}, attrs = {}) => ({ block: ours, when, type, attrs })
const mark = (ours, type) => ({ mark: ours, type })

const definitions = {
  tiptap: {
    kind: 'prosemirror', root: 'default', topNode: 'doc',
    nodes: union(nodes(getSchema(tiptap2)), nodes(getSchema3(tiptap3))),
    marks: union(marks(getSchema(tiptap2)), marks(getSchema3(tiptap3))),
    blocks: [
      block('list', 'orderedList', { ordered: true }), block('list', 'bulletList'), block('list-item', 'listItem'),
      block('quote', 'blockquote'), block('code-block', 'codeBlock'), block('divider', 'horizontalRule'),
      block('hard-break', 'hardBreak'), block('task-list', 'taskList'), block('task-item', 'taskItem'),
      block('table-row', 'tableRow'), block('table-cell', 'tableCell'), block('table-header', 'tableHeader')
    ],
    markNames: [mark('strikethrough', 'strike')]
  },
  prosemirror: {
    kind: 'prosemirror', root: 'prosemirror', topNode: 'doc', nodes: nodes(prosemirror), marks: marks(prosemirror),
    blocks: [
      block('list', 'ordered_list', { ordered: true }), block('list', 'bullet_list'), block('list-item', 'list_item'),
      block('quote', 'blockquote'), block('code-block', 'code_block'), block('divider', 'horizontal_rule'),
      block('hard-break', 'hard_break'), block('table-row', 'table_row'), block('table-cell', 'table_cell'),
      block('table-header', 'table_header'),
      // It has no tasks: they become items, and keep their attributes.
      block('task-list', 'bullet_list'), block('task-item', 'list_item')
    ],
    markNames: [mark('bold', 'strong'), mark('italic', 'em')]
  },
  blocknote: (() => {
    const schema = BlockNoteEditor.create().pmSchema
    return {
      kind: 'prosemirror', root: 'document-store', topNode: 'doc', nodes: nodes(schema), marks: marks(schema),
      blocks: [block('code-block', 'codeBlock'), block('hard-break', 'hardBreak'), block('table-row', 'tableRow'),
        block('table-cell', 'tableCell'), block('table-header', 'tableHeader')],
      markNames: [mark('strikethrough', 'strike')]
    }
  })()
}

let stale = 0
for (const [name, definition] of Object.entries(definitions)) {
  const file = new URL(`${name}.json`, FOLDER)
  const wanted = JSON.stringify(definition, null, 1) + '\n'
  if (!process.argv.includes('--check')) writeFileSync(file, wanted)
  else if (readFileSync(file, 'utf8') !== wanted) stale += console.error(`${file.pathname} is stale`) ?? 1
}
process.exit(stale ? 1 : 0)
