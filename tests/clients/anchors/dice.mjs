// Chance that repeats: the same seed draws the same numbers.

export class Dice {
  #state

  /** @param {number} seed */
  constructor (seed) {
    this.#state = seed | 0
  }

  /** Return a number in [0, 1): the generator mulberry32. */
  next () {
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  /** Return a whole number in [0, end). */
  below (end) {
    return Math.floor(this.next() * end)
  }

  chance (probability) {
    return this.next() < probability
  }

  pick (list) {
    return list[this.below(list.length)]
  }

  /** Return a key of `weights`, each as often as its weight says. */
  weighted (weights) {
    const entries = Object.entries(weights)
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    return entries.find(([, weight]) => (left -= weight) < 0)?.[0] ?? entries[0][0]
  }
}
