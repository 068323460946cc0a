/**
 * SHA-256 of text, as lower-case hex.
 *
 * **Source**
 *
 * FIPS 180-4. Written here because fingerprints and state hashes are pure functions of core: Effect's digest is a
 * service that answers asynchronously, and core imports nothing but `effect`. See docs/decisions/0004.
 */
export const sha256 = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  const blockCount = Math.ceil((bytes.length + 9) / 64)
  const padded = new Uint8Array(blockCount * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 0x2000_0000))
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0)
  const hash = Uint32Array.from(initialHash)
  const schedule = new Uint32Array(64)
  for (let block = 0; block < padded.length; block += 64) compress(hash, schedule, view, block)
  return Array.from(hash, (word) => word.toString(16).padStart(8, "0")).join("")
}

const compress = (hash: Uint32Array, w: Uint32Array, view: DataView, block: number): void => {
  for (let t = 0; t < 16; t++) w[t] = view.getUint32(block + t * 4)
  for (let t = 16; t < 64; t++) {
    const near = at(w, t - 2)
    const far = at(w, t - 15)
    const s0 = rotate(far, 7) ^ rotate(far, 18) ^ (far >>> 3)
    const s1 = rotate(near, 17) ^ rotate(near, 19) ^ (near >>> 10)
    w[t] = s1 + at(w, t - 7) + s0 + at(w, t - 16)
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = hash
  for (let t = 0; t < 64; t++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const choice = (e & f) ^ (~e & g)
    const one = (h + sum1 + choice + at(roundConstants, t) + at(w, t)) | 0
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const majority = (a & b) ^ (a & c) ^ (b & c)
    h = g
    g = f
    f = e
    e = (d + one) | 0
    d = c
    c = b
    b = a
    a = (one + sum0 + majority) | 0
  }
  const words = [a, b, c, d, e, f, g, h]
  words.forEach((word, place) => {
    hash[place] = at(hash, place) + word
  })
}

const at = (words: Uint32Array, place: number): number => words[place] ?? 0
const rotate = (word: number, count: number): number => (word >>> count) | (word << (32 - count))

/**
 * The first 32 bits of the fractional part of a root, above them its whole part, which an array of 32-bit words drops.
 * Computed, so that no table can hold a typing mistake.
 */
const fractionBits = (root: number): number => Math.floor(root * 0x1_0000_0000)

const primes = (count: number): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let candidate = 2; found.length < count; candidate++) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate)
  }
  return found
}

const initialHash = Uint32Array.from(primes(8), (prime) => fractionBits(Math.sqrt(prime)))
const roundConstants = Uint32Array.from(primes(64), (prime) => fractionBits(Math.cbrt(prime)))
