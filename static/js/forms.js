/** Forms: nothing typed is lost, nothing is sent twice, files by dropping, rows of name and value. */
import { each, icon, make } from './page.js'
import { filesize } from './words.js'

const MOST_LISTED = 200
// Never part of what runs, and large.
const LEFT_OUT = /(^|\/)(\.git|__pycache__|node_modules|\.venv|\.ipynb_checkpoints|\.DS_Store)(\/|$)/

export function startForms() {
  each('form[data-guard]', (form) => guard(/** @type {HTMLFormElement} */ (form)))
  each('[data-pairs]', pairs)
  each('[data-drop]', drop)
  each('[data-focus]', (element) => element.focus({ preventScroll: false }))
  // The YAML beside a form takes scripts; where there is no room it is folded.
  each('[data-yaml-beside]', (element) => {
    element.hidden = false
    if (matchMedia('(min-width: 1240px)').matches) element.setAttribute('open', '')
  })
  document.addEventListener('submit', onlyOnce)
  addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[data-sent]')) again(/** @type {HTMLFormElement} */ (form))
  })
  document.addEventListener('htmx:afterRequest', (event) => {
    const form = /** @type {any} */ (event).detail.elt
    if (form instanceof HTMLFormElement) again(form)
  })
}

/** @param {SubmitEvent} event */
function onlyOnce(event) {
  const form = event.target
  if (!(form instanceof HTMLFormElement) || event.defaultPrevented || form.method !== 'post') return
  if (form.dataset.sent) {
    event.preventDefault()
    return
  }
  form.dataset.sent = '1'
  const button = event.submitter
  if (button instanceof HTMLButtonElement && button.dataset.busy) {
    button.dataset.words = button.innerHTML
    button.replaceChildren(make('span', { class: 'spinner', 'aria-hidden': 'true' }), button.dataset.busy)
  }
  // A download answers without leaving the page: free the form after a while.
  setTimeout(() => again(form), 30_000)
}

/** @param {HTMLFormElement} form */
function again(form) {
  delete form.dataset.sent
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (form.querySelectorAll('button[data-words]'))) {
    button.innerHTML = button.dataset.words ?? ''
    delete button.dataset.words
  }
}

/** @param {HTMLFormElement} form */
function guard(form) {
  const state = () => [...new FormData(form)].map(([name, value]) => `${name}=${value instanceof File ? value.name : value}`).join('&')
  let saved = state()
  // A form that came back with problems holds words that are not kept anywhere.
  if (form.dataset.guard === 'typed' || form.querySelector('[aria-invalid="true"]')) saved = ''
  addEventListener('beforeunload', (event) => {
    if (form.isConnected && !form.dataset.sent && state() !== saved) event.preventDefault()
  })
}

/** @param {HTMLElement} box */
function pairs(box) {
  const add = box.querySelector('[data-pair-add]')
  const empty = [...box.querySelectorAll('[data-pair-empty]')]
  const model = empty[0]?.cloneNode(true)
  let added = 0
  if (!(add instanceof HTMLElement) || !model) return
  add.hidden = false
  // The three empty rows are for pages without scripts: one is enough here.
  const filled = (/** @type {Element} */ row) => [...row.querySelectorAll('input, textarea')].some((input) => /** @type {any} */ (input).type !== 'hidden' && /** @type {HTMLInputElement} */ (input).value)
  for (const row of empty.slice(1)) if (!filled(row)) row.remove()
  if (box.querySelectorAll('.pair').length > 1 && !filled(empty[0])) empty[0].remove()
  add.addEventListener('click', () => {
    const row = /** @type {Element} */ (model.cloneNode(true))
    // A row that takes files names its file input after itself, so that files find their row again.
    const number = row.querySelector('[data-pair-number]')
    const files = row.querySelector('[data-pair-files]')
    if (number instanceof HTMLInputElement && files instanceof HTMLInputElement) {
      number.value = `n${added += 1}`
      files.name = `${files.dataset.pairFiles}_${number.value}`
    }
    add.before(row)
    const first = row.querySelector('input, select')
    if (first instanceof HTMLElement) first.focus()
    document.dispatchEvent(new CustomEvent('htmx:load', { detail: { elt: row } }))
  })
  box.addEventListener('click', (event) => {
    const remove = /** @type {Element} */ (event.target).closest('[data-pair-remove]')
    if (!remove) return
    remove.closest('.pair')?.remove()
    box.dispatchEvent(new Event('input', { bubbles: true }))
    add.focus()
  })
  // Pasting "A=1\nB=2" into a name fills rows.
  box.addEventListener('paste', (event) => {
    const input = event.target
    const text = event.clipboardData?.getData('text') ?? ''
    const lines = text.split(/\r?\n/).map((line) => line.match(/^\s*(?:export\s+)?([\w.-]+)\s*[=:]\s*"?(.*?)"?\s*$/)).filter((line) => line !== null)
    if (!(input instanceof HTMLInputElement) || !input.name.endsWith('_key') || !lines.length) return
    event.preventDefault()
    let row = input.closest('.pair')
    for (const [index, [, name, value]] of lines.entries()) {
      if (index) {
        add.click()
        row = add.previousElementSibling
      }
      const [key, field] = row?.querySelectorAll('input') ?? []
      if (key) key.value = name
      if (field) field.value = value
    }
  })
}

/**
 * @typedef {{file: File, path: string}} Chosen
 * @param {HTMLElement} box
 */
function drop(box) {
  const input = /** @type {HTMLInputElement} */ (box.querySelector('input[type="file"]'))
  const paths = /** @type {HTMLInputElement} */ (box.querySelector('[data-drop-paths]'))
  const list = /** @type {HTMLElement} */ (box.parentElement?.querySelector('[data-drop-list]'))
  const words = /** @type {HTMLElement} */ (box.querySelector('.drop-words'))
  const before = words.textContent?.trim()
  /** @type {Chosen[]} */
  let chosen = []
  box.classList.add('enhanced')
  const folder = /** @type {HTMLInputElement} */ (make('input', { type: 'file', webkitdirectory: '', multiple: '', tabindex: '-1', 'aria-hidden': 'true' }))
  const pickFiles = make('button', { type: 'button', class: 'btn btn-sm' }, icon('file'), 'Files or a zip')
  const pickFolder = make('button', { type: 'button', class: 'btn btn-sm' }, icon('folder'), 'A folder')
  const clear = make('button', { type: 'button', class: 'btn btn-sm btn-quiet' }, 'Remove all')
  box.append(folder, make('div', { class: 'drop-actions' }, pickFiles, pickFolder, clear))
  pickFiles.addEventListener('click', () => input.click())
  pickFolder.addEventListener('click', () => folder.click())
  clear.addEventListener('click', () => keep([]))

  const keep = (/** @type {Chosen[]} */ files) => {
    const byPath = new Map(files.filter(({ path }) => !LEFT_OUT.test(path)).map((one) => [one.path, one]))
    nameAfter(rootOf([...byPath.values()]))
    chosen = withoutRoot([...byPath.values()]).sort((a, b) => (a.path < b.path ? -1 : 1))
    const transfer = new DataTransfer()
    for (const { file } of chosen) transfer.items.add(file)
    input.files = transfer.files
    paths.value = chosen.length ? JSON.stringify(chosen.map(({ path }) => path)) : ''
    draw()
    box.dispatchEvent(new Event('input', { bubbles: true }))
  }

  // Where the folder's own name matters, a field says it: filled in until a person writes there.
  const nameField = document.getElementById(box.dataset.dropNames ?? '')
  let named = ''
  const nameAfter = (/** @type {string} */ root) => {
    if (!(nameField instanceof HTMLInputElement) || !root || (nameField.value && nameField.value !== named)) return
    nameField.value = named = root
  }

  const draw = () => {
    const size = chosen.reduce((sum, { file }) => sum + file.size, 0)
    clear.hidden = !chosen.length
    words.replaceChildren(chosen.length
      ? make('b', {}, `${chosen.length} ${chosen.length === 1 ? 'file' : 'files'}, ${filesize(size)}`)
      : before || 'Drop files, a folder or a zip here')
    const rest = chosen.length - MOST_LISTED
    list.replaceChildren(...chosen.slice(0, MOST_LISTED).map((one) => {
      const remove = make('button', { type: 'button', class: 'icon-button small', 'aria-label': `Remove ${one.path}` }, icon('x', 'icon-sm'))
      remove.addEventListener('click', () => keep(chosen.filter((other) => other !== one)))
      return make('li', {}, icon(one.path.endsWith('.zip') ? 'file-zip' : 'file', 'icon-sm'), make('span', { class: 'path mono', title: one.path }, one.path), make('span', { class: 'num' }, filesize(one.file.size)), remove)
    }), ...(rest > 0 ? [make('li', { class: 'text-quiet' }, `and ${rest} more`)] : []))
  }

  for (const from of [input, folder]) {
    from.addEventListener('change', () => {
      const added = [...(from.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
      keep([...chosen, ...added])
    })
  }
  box.addEventListener('dragover', (event) => {
    event.preventDefault()
    box.classList.add('over')
  })
  box.addEventListener('dragleave', () => box.classList.remove('over'))
  box.addEventListener('drop', async (event) => {
    event.preventDefault()
    box.classList.remove('over')
    const entries = [...(event.dataTransfer?.items ?? [])].map((one) => one.webkitGetAsEntry()).filter((entry) => entry !== null)
    const found = await Promise.all(entries.map((entry) => filesOf(entry)))
    keep([...chosen, ...found.flat()])
  })
  draw()
}

/**
 * The one folder around all files, or nothing.
 * @param {Chosen[]} files
 * @returns {string}
 */
export function rootOf(files) {
  const roots = new Set(files.map(({ path }) => (path.includes('/') ? path.split('/')[0] : '')))
  return roots.size === 1 ? [...roots][0] : ''
}

/**
 * A chosen folder is the root of the code: its own name is no part of the paths.
 * @param {Chosen[]} files
 * @returns {Chosen[]}
 */
export function withoutRoot(files) {
  return rootOf(files) === '' ? files : files.map(({ file, path }) => ({ file, path: path.slice(path.indexOf('/') + 1) }))
}

/**
 * @param {any} entry a FileSystemEntry
 * @param {string} [under]
 * @returns {Promise<Chosen[]>}
 */
async function filesOf(entry, under = '') {
  const path = under + entry.name
  if (LEFT_OUT.test(path)) return []
  if (entry.isFile) return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path }]
  const reader = entry.createReader()
  const found = []
  for (;;) {
    // A reader gives at most a hundred entries at a time.
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (!batch.length) break
    for (const child of batch) found.push(...(await filesOf(child, `${path}/`)))
  }
  return found
}
