/**
 * Partitions: shares of a namespace's executions. One worker owns a partition, and one feed numbers its events.
 *
 * The partition of an execution must never change. So this function and the partition count of a namespace are fixed.
 */

/** Partition count of a namespace that names none. */
export const defaultCount = 64

/**
 * The partition of an execution: 0 to `count - 1`.
 *
 * **Source**
 *
 * FNV-1a, 32 bits, over the UTF-8 bytes of tenant, NUL, execution id. Neither text may hold a NUL.
 */
export const of = (tenant: string, executionId: string, count: number): number =>
  (hashText(mix(hashText(0x811c9dc5, tenant), 0), executionId) >>> 0) % count

const mix = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193)

/**
 * Adds the UTF-8 bytes of the text to the hash. ASCII text is hashed by code unit: to encode it takes five times as
 * long.
 */
const hashText = (before: number, text: string): number => {
  let hash = before
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return encoder.encode(text).reduce(mix, before)
    hash = mix(hash, unit)
  }
  return hash
}

const encoder = new TextEncoder()
