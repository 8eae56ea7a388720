export { extensions, getSchema, open } from './tiptap3/index.mjs'
