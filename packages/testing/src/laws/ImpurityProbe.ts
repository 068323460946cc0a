/** Detects calls of clocks and random generators, which a pure function must not make. */
import { Result, identity } from "effect"

export interface Probed<Value> {
  /** The result of the function, or the exception that it threw. */
  readonly outcome: Result.Result<Value, unknown>
  /** Names of the clocks and random generators that it called. */
  readonly called: ReadonlySet<string>
}

/**
 * Runs a function, and records which of JavaScript's global clocks and random generators it calls. They return their usual
 * values. The globals are replaced while the function runs, and restored afterwards.
 */
export const probe = <Value>(run: () => Value): Probed<Value> => {
  const called = new Set<string>()
  const restorations = impureGlobals.map(({ name, owner, key }) => replace(owner, key, recording(name, called)))
  const outcome = Result.try({ try: run, catch: identity })
  for (const restore of restorations.toReversed()) restore()
  return { outcome, called }
}

interface ImpureGlobal {
  readonly name: string
  readonly owner: () => unknown
  readonly key: string
}

const globalOf = (name: string) => (): unknown => Reflect.get(globalThis, name)

// `Date` itself is last, so that its `now` is replaced on the real `Date`.
const impureGlobals: ReadonlyArray<ImpureGlobal> = [
  { name: "Date.now()", owner: globalOf("Date"), key: "now" },
  { name: "performance.now()", owner: globalOf("performance"), key: "now" },
  { name: "Math.random()", owner: globalOf("Math"), key: "random" },
  { name: "crypto.randomUUID()", owner: globalOf("crypto"), key: "randomUUID" },
  { name: "crypto.getRandomValues()", owner: globalOf("crypto"), key: "getRandomValues" },
  { name: "new Date()", owner: () => globalThis, key: "Date" }
]

/** A stand-in that records each call. With arguments, constructors such as `new Date` read no clock. */
const recording =
  (name: string, called: Set<string>) =>
  (real: Callable): Callable =>
    new Proxy(real, {
      apply: (target, self, values) => {
        called.add(name)
        return Reflect.apply(target, self, values)
      },
      construct: (target, values, newTarget) => {
        if (values.length === 0) called.add(name)
        return Reflect.construct(target, values, newTarget)
      }
    })

type Callable = (...values: ReadonlyArray<unknown>) => unknown

const isCallable = (value: unknown): value is Callable => typeof value === "function"

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

/** Replaces a method where it is defined; returns the function that restores it. Does nothing if it is absent or locked. */
const replace = (owner: () => unknown, key: string, standIn: (real: Callable) => Callable): (() => void) => {
  let holder = owner()
  while (isObject(holder) && !Object.hasOwn(holder, key)) holder = Object.getPrototypeOf(holder)
  const descriptor = isObject(holder) ? Object.getOwnPropertyDescriptor(holder, key) : undefined
  const real: unknown = descriptor?.value
  if (!isObject(holder) || descriptor?.configurable !== true || !isCallable(real)) return () => {}
  const held = holder
  Object.defineProperty(held, key, { ...descriptor, value: standIn(real) })
  return () => Object.defineProperty(held, key, descriptor)
}
