// Enough of a browser for editors that nobody looks at.
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('<!doctype html><body></body>', { url: 'http://localhost/' })
globalThis.window = window
for (const name of [
  'document', 'navigator', 'Node', 'Element', 'HTMLElement', 'DocumentFragment', 'DOMParser',
  'MutationObserver', 'Text', 'Selection', 'getSelection'
]) {
  globalThis[name] ??= window[name]
}
globalThis.requestAnimationFrame ??= (run) => setTimeout(run, 0)
globalThis.cancelAnimationFrame ??= clearTimeout
globalThis.innerHeight ??= 768
// jsdom has no layout.
window.Range.prototype.getClientRects = () => []
window.Range.prototype.getBoundingClientRect = () => ({ top: 0, left: 0, right: 0, bottom: 0 })
window.document.elementFromPoint = () => null
