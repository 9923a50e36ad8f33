/** The YAML tab: a textarea becomes an editor; the server's errors stand at their lines. */
import { yaml, yamlLanguage } from '@codemirror/lang-yaml'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, linter } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { indentWithTab } from '@codemirror/commands'
import { tags } from '@lezer/highlight'
import { basicSetup, EditorView } from 'codemirror'
import { fieldsAt, indentOf, pathAt, valuesAt } from '../schema.js'

const SETTLED_MS = 500

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
  const errors = JSON.parse(area.dataset.errors || '[]')
  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        basicSetup, typedOver, yaml(), look, syntaxHighlighting(colours), lintGutter(), keymap.of([indentWithTab]),
        EditorState.tabSize.of(2), checking(area, errors), proposing(area),
        EditorView.cspNonce.of(/** @type {any} */ (nonce)?.nonce ?? ''),
        EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': area.getAttribute('aria-label') ?? 'YAML' }),
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
  if (!errors.length) return
  const { doc } = view.state
  const first = doc.line(Math.min(Math.max(errors[0].line ?? 1, 1), doc.lines))
  view.dispatch({ selection: { anchor: first.from }, effects: EditorView.scrollIntoView(first.from, { y: 'center' }) })
}

/**
 * Mark what is wrong where it stands: what the answer to the form said, and from the first change on what the studio says of the text.
 * @param {HTMLTextAreaElement} area
 * @param {{line?: number, column?: number, text: string}[]} errors
 */
function checking(area, errors) {
  const first = area.value
  return linter(async (view) => {
    const { doc } = view.state
    const text = doc.toString()
    if (text === first && errors.length) return errors.map((error) => mark(doc, error, 'error'))
    const { yamlCheck, yamlKind } = area.dataset
    if (!yamlCheck || !text.trim()) return []
    try {
      const answer = await fetch(yamlCheck, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...JSON.parse(document.body.getAttribute('hx-headers') ?? '{}') },
        body: JSON.stringify({ kind: yamlKind, yaml: text }),
      })
      if (!answer.ok) return []
      const { problems, warnings } = await answer.json()
      const said = (/** @type {any} */ one) => ({ ...one, text: `${one.text} ${one.todo ?? ''}`.trim().replaceAll('`', "'") })
      return [...problems.map((/** @type {any} */ one) => mark(doc, said(one), 'error')), ...warnings.map((/** @type {any} */ one) => mark(doc, said(one), 'warning'))]
    } catch {
      // The studio is away: the header says so, and submitting checks all of it.
      return []
    }
  }, { delay: SETTLED_MS })
}

/**
 * @param {import('@codemirror/state').Text} doc
 * @param {{line?: number | null, column?: number | null, text: string}} error
 * @param {'error' | 'warning'} severity
 */
function mark(doc, { line, column, text }, severity) {
  const at = doc.line(Math.min(Math.max(line ?? 1, 1), doc.lines))
  const from = Math.min(at.from + Math.max((column ?? 1) - 1, 0), at.to)
  return { from, to: Math.max(at.to, from), severity, message: text }
}

/**
 * Propose fields and values by the schema of the kind, which is fetched when first asked for.
 * @param {HTMLTextAreaElement} area
 */
function proposing(area) {
  /** @type {Promise<any> | undefined} */
  let schema
  return yamlLanguage.data.of({
    autocomplete: async (/** @type {any} */ context) => {
      const { yamlSchema } = area.dataset
      if (!yamlSchema) return null
      schema ??= fetch(yamlSchema).then((answer) => (answer.ok ? answer.json() : null), () => null)
      const root = await schema
      const line = context.state.doc.lineAt(context.pos)
      const before = line.text.slice(0, context.pos - line.from)
      const lines = context.state.doc.toString().split('\n').slice(0, line.number)
      const value = before.match(/^(\s*(?:- +)*)([^\s:#][^:]*):\s+(\S*)$/)
      const path = pathAt(lines, line.number - 1, indentOf(before))
      if (!root) return null
      if (value) {
        const options = valuesAt(root, [...path, value[2].trim()]).map((label) => ({ label, type: 'enum' }))
        return options.length ? { from: context.pos - value[3].length, options, validFor: /^\S*$/ } : null
      }
      const key = before.match(/^\s*(?:- +)*([\w$-]*)$/)
      if (!key || (!key[1] && !context.explicit)) return null
      const there = new Set(context.state.doc.toString().split('\n').filter((/** @type {string} */ one) => indentOf(one) === indentOf(before)).map((/** @type {string} */ one) => one.trim().split(':')[0]))
      const options = fieldsAt(root, path).filter((one) => !there.has(one.name) || one.name === key[1]).map((one, index) => ({
        label: one.name, type: 'property', detail: one.needed ? `${one.kind}, needed` : one.kind, info: one.about || undefined, boost: one.needed ? 50 - index : -index,
        apply: one.holds && !/string|one of/.test(one.kind) ? `${one.name}:\n${' '.repeat(indentOf(before) + 2)}` : `${one.name}: `,
      }))
      return options.length ? { from: context.pos - key[1].length, options, validFor: /^[\w$-]*$/ } : null
    },
  })
}

for (const area of document.querySelectorAll('textarea[data-yaml]')) edit(/** @type {HTMLTextAreaElement} */ (area))
