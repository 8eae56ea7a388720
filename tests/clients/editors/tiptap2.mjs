// Tiptap 2 with the starter kit and every free extension that has nodes, marks or attributes.
import '../browser.mjs'
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import Color from '@tiptap/extension-color'
import FontFamily from '@tiptap/extension-font-family'
import Highlight from '@tiptap/extension-highlight'
import Image from '@tiptap/extension-image'
import Link from '@tiptap/extension-link'
import Mention from '@tiptap/extension-mention'
import Subscript from '@tiptap/extension-subscript'
import Superscript from '@tiptap/extension-superscript'
import Table from '@tiptap/extension-table'
import TableCell from '@tiptap/extension-table-cell'
import TableHeader from '@tiptap/extension-table-header'
import TableRow from '@tiptap/extension-table-row'
import TaskItem from '@tiptap/extension-task-item'
import TaskList from '@tiptap/extension-task-list'
import TextAlign from '@tiptap/extension-text-align'
import TextStyle from '@tiptap/extension-text-style'
import Underline from '@tiptap/extension-underline'
import Youtube from '@tiptap/extension-youtube'
import StarterKit from '@tiptap/starter-kit'
import { openTiptap } from './tiptap.mjs'

export const extensions = [
  StarterKit.configure({ history: false }), Color, FontFamily, Highlight.configure({ multicolor: true }),
  Image.configure({ inline: false }), Link.configure({ openOnClick: false }), Mention, Subscript, Superscript, Table,
  TableCell, TableHeader, TableRow, TaskItem.configure({ nested: true }), TaskList,
  TextAlign.configure({ types: ['heading', 'paragraph'] }), TextStyle, Underline, Youtube
]

export const open = openTiptap(Editor, Collaboration, extensions)
