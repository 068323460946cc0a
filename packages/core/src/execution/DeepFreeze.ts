/** Freezing of values that other code must not change. */

/**
 * Freezes plain objects and lists and their members, down to members that are frozen already. Leaves class instances
 * alone, since they may cache values in themselves.
 */
export const deepFreeze = <Value>(value: Value): Value => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return value
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}
