// Plate with its own blocks, marks and both kinds of lists, on the root "content".
import '../browser.mjs'
import { BaseBasicBlocksPlugin, BaseBasicMarksPlugin } from '@platejs/basic-nodes'
import { BaseCodeBlockPlugin } from '@platejs/code-block'
import { BaseIndentPlugin } from '@platejs/indent'
import { BaseLinkPlugin } from '@platejs/link'
import { BaseListPlugin } from '@platejs/list'
import { BaseImagePlugin } from '@platejs/media'
import { BaseMentionPlugin } from '@platejs/mention'
import { BaseTablePlugin } from '@platejs/table'
import { createSlateEditor } from 'platejs'
import * as Y from 'yjs'
import { openSlate } from './slate.mjs'

export const plugins = [
  BaseBasicBlocksPlugin, BaseBasicMarksPlugin, BaseCodeBlockPlugin, BaseIndentPlugin, BaseLinkPlugin, BaseListPlugin,
  BaseImagePlugin, BaseMentionPlugin, BaseTablePlugin
]

export const open = async (doc) =>
  openSlate(createSlateEditor({ plugins }), doc.get('content', Y.XmlText), (editor) => editor.tf.normalize({ force: true }))
