/** The YAML tab: a textarea becomes an editor; the server's errors stand at their lines. */
import { yaml } from '@codemirror/lang-yaml'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { indentWithTab } from '@codemirror/commands'
import { tags } from '@lezer/highlight'
import { basicSetup, EditorView } from 'codemirror'

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--m-moving-text)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--m-good-text)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--m-look-text)' },
  { tag: tags.comment, color: 'var(--m-quiet)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.separator, tags.meta], color: 'var(--m-quiet)' },
])

const look = EditorView.theme({
  '&': { color: 'var(--body-color)' },
  '.cm-content': { fontFamily: 'var(--font-monospace)', caretColor: 'var(--m-focus)', padding: '8px 0' },
  '.cm-gutters': { backgroundColor: 'var(--bg-surface-secondary)', color: 'var(--m-quiet)', border: '0', borderRight: '1px solid var(--m-line)' },
  '&.cm-focused': { outline: '2px solid var(--m-focus)', outlineOffset: '-2px' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover-bg)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--m-moving-soft)' },
  '.cm-cursor': { borderLeftColor: 'var(--body-color)' },
  '.cm-tooltip': { backgroundColor: 'var(--bg-surface)', border: '1px solid var(--m-line)', color: 'var(--body-color)' },
  '.cm-panels': { backgroundColor: 'var(--bg-surface-secondary)', color: 'var(--body-color)' },
})

// Chromium puts text typed over a selection into an element with a style of its own, which the policy of our pages
// blocks and reports. Such text is put in by the editor itself; all else is left to the browser.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { main } = view.state.selection
    const { data } = event
    if (event.inputType !== 'insertText' || !data || main.empty || view.composing || view.state.readOnly) return false
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: 'input.type', scrollIntoView: true })
    const taken = view.state.facet(EditorView.inputHandler).some((handle) => handle(view, main.from, main.to, data, insert))
    if (!taken) view.dispatch(insert())
    event.preventDefault()
    return true
  },
})

/** @param {HTMLTextAreaElement} area */
function edit(area) {
  const nonce = document.querySelector('script[nonce]')
  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        basicSetup, typedOver, yaml(), look, syntaxHighlighting(colours), lintGutter(), keymap.of([indentWithTab]),
        EditorState.tabSize.of(2),
        EditorView.cspNonce.of(/** @type {any} */ (nonce)?.nonce ?? ''),
        EditorView.contentAttributes.of({ 'aria-label': area.getAttribute('aria-label') ?? 'YAML' }),
        EditorView.editable.of(!area.readOnly),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return
          area.value = update.state.doc.toString()
          area.dispatchEvent(new Event('input', { bubbles: true }))
        }),
      ],
    }),
  })
  area.before(view.dom)
  area.hidden = true
  const errors = JSON.parse(area.dataset.errors || '[]')
  if (!errors.length) return
  const { doc } = view.state
  view.dispatch(setDiagnostics(view.state, errors.map((/** @type {any} */ { line = 1, column = 1, text }) => {
    const at = doc.line(Math.min(Math.max(line, 1), doc.lines))
    const from = Math.min(at.from + Math.max(column - 1, 0), at.to)
    return { from, to: Math.max(at.to, from), severity: 'error', message: text }
  })))
  const first = doc.line(Math.min(Math.max(errors[0].line ?? 1, 1), doc.lines))
  view.dispatch({ selection: { anchor: first.from }, effects: EditorView.scrollIntoView(first.from, { y: 'center' }) })
}

for (const area of document.querySelectorAll('textarea[data-yaml]')) edit(/** @type {HTMLTextAreaElement} */ (area))
