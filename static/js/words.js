/** Times and sizes in the words that the server uses, too (studio/core/numbers.py). Pure. */

/**
 * @param {number} seconds
 * @returns {string}
 */
export function ago(seconds) {
  if (Math.abs(seconds) < 5) return 'now'
  /** @type {[number, string][]} */
  const sizes = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]
  for (const [size, word] of sizes) {
    if (Math.abs(seconds) >= size) {
      const amount = `${Math.floor(Math.abs(seconds) / size)} ${word}`
      return seconds > 0 ? `${amount} ago` : `in ${amount}`
    }
  }
  return 'now'
}

/**
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  const whole = Math.max(Math.floor(seconds), 0)
  const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60]
  if (d) return h ? `${d} d ${h} h` : `${d} d`
  if (h) return m ? `${h} h ${m} m` : `${h} h`
  if (m) return s ? `${m} m ${s} s` : `${m} m`
  return `${s} s`
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function filesize(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let amount = bytes
  let power = 0
  while (power < units.length - 1 && Number(amount.toFixed(amount < 100 ? 1 : 0)) >= 1000) {
    amount /= 1000
    power += 1
  }
  return `${String(Number(amount.toFixed(amount < 100 ? 1 : 0)))} ${units[power]}`
}
