/**
 * Build static/dist from the sources beside this file and the packages in node_modules:
 * one style sheet and one of the admin console, one script for every page, one each for the log, the YAML editor, endpoints and charts, one icon sprite.
 *
 *   node static/build.mjs
 *
 * Names in dist are plain; the studio's static storage adds the content hash and the compressed copies.
 */
import { build } from 'esbuild'
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { compile } from 'sass'
import { ALWAYS, namedIcons, sprite } from './icons.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.dirname(here)
const dist = path.join(here, 'dist')
const fresh = path.join(here, `.dist-${process.pid}`)
const packages = path.join(root, 'node_modules')
const FIRST_VISIT_LIMIT = 100_000

/** Sources whose text may name an icon. */
async function* sources(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', '__pycache__'].includes(entry.name) && !entry.name.startsWith('.')) yield* sources(full)
    } else if (/\.(html|py|js)$/.test(entry.name)) yield full
  }
}

async function buildSprite() {
  const names = new Set(ALWAYS)
  for (const folder of ['templates', 'studio', 'compute', 'jobs', 'endpoints', 'static/js']) {
    const full = path.join(root, folder)
    try {
      for await (const file of sources(full)) for (const name of namedIcons(await readFile(file, 'utf8'))) names.add(name)
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
  }
  const icons = path.join(packages, '@tabler', 'icons', 'icons')
  const read = async (name) => {
    for (const kind of ['outline', 'filled']) {
      const file = path.join(icons, kind, `${kind === 'filled' ? name.replace(/-filled$/, '') : name}.svg`)
      if (kind === 'filled' && !name.endsWith('-filled')) continue
      try {
        return await readFile(file, 'utf8')
      } catch (error) {
        if (error.code !== 'ENOENT') throw error
      }
    }
    throw new Error(`There is no Tabler icon named “${name}”. Look for one in node_modules/@tabler/icons/icons/outline.`)
  }
  await copyFile(path.join(here, 'favicon.svg'), path.join(fresh, 'favicon.svg'))
  await writeFile(path.join(fresh, 'icons.svg'), await sprite([...names].sort(), read))
}

async function buildStyle() {
  for (const name of ['mooring', 'console']) {
    const { css } = compile(path.join(here, 'css', `${name}.scss`), {
      style: 'compressed',
      loadPaths: [packages],
      quietDeps: true,
      silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'],
    })
    await writeFile(path.join(fresh, `${name}.css`), css.replace(/^\uFEFF/, ''))
  }
  const inter = path.join(packages, '@fontsource-variable', 'inter')
  await copyFile(path.join(inter, 'files', 'inter-latin-wght-normal.woff2'), path.join(fresh, 'inter.woff2'))
}

async function buildScripts() {
  await build({
    entryPoints: Object.fromEntries(
      ['mooring', 'logview', 'yaml', 'endpoint', 'charts', 'passkey'].map((name) => [name, path.join(here, 'js', 'pages', `${name}.js`)]),
    ),
    bundle: true,
    minify: true,
    sourcemap: false,
    format: 'iife',
    target: ['chrome123', 'firefox120', 'safari17.5'],
    outdir: fresh,
    legalComments: 'none',
    logLevel: 'warning',
    loader: { '.css': 'empty' },
  })
}

async function report() {
  const sizes = {}
  for (const name of (await readdir(fresh)).sort()) {
    const bytes = await readFile(path.join(fresh, name))
    sizes[name] = name.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length
  }
  for (const [name, size] of Object.entries(sizes)) console.log(`${name.padEnd(14)} ${(size / 1000).toFixed(1).padStart(6)} kB compressed`)
  const first = sizes['mooring.css'] + sizes['mooring.js']
  console.log(`first visit    ${(first / 1000).toFixed(1).padStart(6)} kB of style and script`)
  if (first > FIRST_VISIT_LIMIT) throw new Error(`A first visit may load ${FIRST_VISIT_LIMIT / 1000} kB of style and script.`)
}

await rm(fresh, { recursive: true, force: true })
await mkdir(fresh, { recursive: true })
try {
  await Promise.all([buildSprite(), buildStyle(), buildScripts()])
  await report()
  // The old bundles stay in place until all new ones are whole.
  await rm(dist, { recursive: true, force: true })
  await rename(fresh, dist)
} finally {
  await rm(fresh, { recursive: true, force: true })
}
