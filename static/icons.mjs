/** Which icons the pages name, and the sprite made of them. */

/** Icons that a page may choose at run time (from a row's state or kind), so that no source names them. */
export const ALWAYS = [
  'adjustments', 'alert-circle', 'alert-triangle', 'archive', 'arrow-down', 'arrow-right', 'arrow-up', 'ban', 'bell', 'box',
  'brain', 'bulb', 'calendar', 'chart-line', 'check', 'chevron-down', 'chevron-right', 'chevron-up', 'circle-check', 'clock',
  'cloud', 'code', 'columns', 'copy', 'cpu', 'cube', 'database', 'device-desktop', 'dots', 'dots-vertical', 'download', 'edit',
  'external-link', 'eye', 'file', 'file-code', 'file-text', 'file-type-csv', 'file-zip', 'filter', 'flask', 'folder', 'git-branch', 'heartbeat',
  'help', 'history', 'home', 'info-circle', 'key', 'keyboard', 'layout-grid', 'link', 'list', 'list-check', 'lock', 'logout',
  'menu-2', 'moon', 'network', 'package', 'photo', 'player-pause', 'player-play', 'player-stop', 'plug', 'plug-x', 'plus', 'refresh',
  'rocket', 'rotate', 'route', 'ruler-measure', 'search', 'selector', 'send', 'server', 'server-2', 'server-off', 'settings', 'shield-check', 'shield-lock', 'stack-2',
  'sun', 'table', 'tag', 'terminal-2', 'text-wrap', 'trash', 'unlink', 'upload', 'user', 'user-plus', 'users', 'world', 'x',
]

const NAMED = [/\{%\s*icon\s+["']([a-z0-9-]+)["']/g, /\bicon\s*[=:]\s*["']([a-z0-9-]+)["']/g, /["']icon["']\s*:\s*["']([a-z0-9-]+)["']/g]

/**
 * The icons that a source names: `{% icon "x" %}`, `icon="x"`, `"icon": "x"`.
 * @param {string} text
 * @returns {string[]}
 */
export function namedIcons(text) {
  return NAMED.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]))
}

/**
 * One SVG with a symbol an icon, `#i-<name>`.
 * @param {string[]} names
 * @param {(name: string) => Promise<string>} read
 * @returns {Promise<string>}
 */
export async function sprite(names, read) {
  const symbols = await Promise.all(names.map(async (name) => {
    const text = await read(name)
    const inside = text.replace(/<!--[\s\S]*?-->/g, '').replace(/^[\s\S]*?<svg[^>]*>/, '').replace(/<\/svg>\s*$/, '').trim().replace(/>\s+</g, '><')
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${inside.replace(/<path stroke="none"[^>]*\/>/, '')}</symbol>`
  }))
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>\n`
}
