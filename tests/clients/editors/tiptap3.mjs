export { extensions, open } from './tiptap3/index.mjs'
