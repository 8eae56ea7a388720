// Lets the modules in /clients find their peers (yjs) where the tests have them, as a package manager would.
import { register } from 'node:module'

register('./peers_hook.mjs', import.meta.url)
