/**
 * Partitions: the share of the executions that one worker owns and one feed numbers.
 *
 * The partition of an execution never changes, so neither may this function nor the count of a namespace.
 */

/** Partitions of a namespace that names no count. */
export const defaultCount = 64

/**
 * The partition of an execution: 0 to `count - 1`.
 *
 * **Source**
 *
 * FNV-1a, 32 bits, over the UTF-8 bytes of tenant, one NUL (which neither may hold), execution id.
 */
export const of = (tenant: string, executionId: string, count: number): number =>
  (hashText(mix(hashText(0x811c9dc5, tenant), 0), executionId) >>> 0) % count

const mix = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193)

/** The hash after the bytes of the text. Those of ASCII are its units; to have them encoded takes five times as long. */
const hashText = (before: number, text: string): number => {
  let hash = before
  for (let place = 0; place < text.length; place++) {
    const unit = text.charCodeAt(place)
    if (unit > 0x7f) return encoder.encode(text).reduce(mix, before)
    hash = mix(hash, unit)
  }
  return hash
}

const encoder = new TextEncoder()
