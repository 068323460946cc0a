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
export const of = (tenant: string, executionId: string, count: number): number => {
  let hash = 0x811c9dc5
  for (const byte of encoder.encode(`${tenant}\0${executionId}`)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % count
}

const encoder = new TextEncoder()
