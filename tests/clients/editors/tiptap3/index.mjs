// Tiptap 3 with the starter kit and every free extension that has nodes, marks or attributes.
import '../../browser.mjs'
import { Editor, getSchema } from '@tiptap/core'
import Audio from '@tiptap/extension-audio'
import Collaboration from '@tiptap/extension-collaboration'
import { Details, DetailsContent, DetailsSummary } from '@tiptap/extension-details'
import Emoji from '@tiptap/extension-emoji'
import Highlight from '@tiptap/extension-highlight'
import Image from '@tiptap/extension-image'
import { TaskItem, TaskList } from '@tiptap/extension-list'
import { BlockMath, InlineMath } from '@tiptap/extension-mathematics'
import Mention from '@tiptap/extension-mention'
import Subscript from '@tiptap/extension-subscript'
import Superscript from '@tiptap/extension-superscript'
import { TableKit } from '@tiptap/extension-table'
import TextAlign from '@tiptap/extension-text-align'
import { TextStyleKit } from '@tiptap/extension-text-style'
import Twitch from '@tiptap/extension-twitch'
import Youtube from '@tiptap/extension-youtube'
import StarterKit from '@tiptap/starter-kit'
import { openTiptap } from '../tiptap.mjs'

// The trailing node, an empty paragraph that the editor adds after a last block of another kind, is switched off: it
// is no matter of the schema, and takes nothing away.
export const extensions = [
  StarterKit.configure({ undoRedo: false, trailingNode: false }), Audio, BlockMath, Details, DetailsContent,
  DetailsSummary, Emoji, Highlight.configure({ multicolor: true }), Image, InlineMath, Mention, Subscript, Superscript,
  TableKit, TaskItem.configure({ nested: true }), TaskList, TextAlign.configure({ types: ['heading', 'paragraph'] }),
  TextStyleKit, Twitch, Youtube
]

export { getSchema }
export const open = openTiptap(Editor, Collaboration, extensions)
