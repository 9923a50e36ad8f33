/**
 * Where each line of a long list lies when lines differ in height: a Fenwick tree of heights, so that changing one
 * (it was measured) and finding the line at a position both take log n steps. Pure.
 */
export class Heights {
  /** @param {number} unit height of a line that does not wrap */
  constructor(unit) {
    this.unit = unit
    this.count = 0
    this.values = new Float64Array(1024)
    this.tree = new Float64Array(1025)
  }

  /** @param {number} height */
  push(height) {
    if (this.count === this.values.length) this.#grow()
    this.count += 1
    this.values[this.count - 1] = 0
    const index = this.count
    // A new node of the tree stands for the lines below it that it covers.
    let sum = 0
    for (let child = index - 1, stop = index - (index & -index); child > stop; child -= child & -child) sum += this.tree[child]
    this.tree[index] = sum
    this.set(index - 1, height)
  }

  /** @param {number} line @param {number} height */
  set(line, height) {
    const change = height - this.values[line]
    if (!change) return 0
    this.values[line] = height
    for (let index = line + 1; index <= this.count; index += index & -index) this.tree[index] += change
    return change
  }

  /** Keep the first `count` lines. @param {number} count */
  cut(count) {
    // Nodes up to `count` cover lines up to `count` only, so that they stay true.
    this.count = Math.min(this.count, count)
  }

  /** The top of a line. @param {number} line */
  top(line) {
    let sum = 0
    for (let index = Math.min(line, this.count); index > 0; index -= index & -index) sum += this.tree[index]
    return sum
  }

  get total() {
    return this.top(this.count)
  }

  /** The line at a position. @param {number} position */
  at(position) {
    let index = 0
    let left = position
    for (let step = 1 << Math.floor(Math.log2(this.count || 1)); step > 0; step >>= 1) {
      if (index + step <= this.count && this.tree[index + step] <= left) {
        index += step
        left -= this.tree[index]
      }
    }
    return Math.min(index, Math.max(this.count - 1, 0))
  }

  #grow() {
    const values = new Float64Array(this.values.length * 2)
    values.set(this.values)
    const tree = new Float64Array(this.tree.length * 2)
    tree.set(this.tree)
    this.values = values
    this.tree = tree
  }
}
