/** What a pure function must not ask for: the time, and chance. */
import { Result, identity } from "effect"

export interface Watched<Value> {
  /** What the function gave, or what it threw. */
  readonly outcome: Result.Result<Value, unknown>
  /** Names of the clocks and sources of chance that it asked. */
  readonly asked: ReadonlySet<string>
}

/**
 * Runs a function and notes which clocks and sources of chance it asks, by way of the globals that JavaScript has for
 * them. Each answers as always. The globals are replaced while the function runs, and then put back.
 */
export const watch = <Value>(run: () => Value): Watched<Value> => {
  const asked = new Set<string>()
  const restorations = sources.map(({ name, owner, key }) => replace(owner, key, noting(name, asked)))
  const outcome = Result.try({ try: run, catch: identity })
  for (const restore of restorations.toReversed()) restore()
  return { outcome, asked }
}

interface Source {
  readonly name: string
  readonly owner: () => unknown
  readonly key: string
}

const globalOf = (name: string) => (): unknown => Reflect.get(globalThis, name)

// `Date` itself is last: its `now` is looked for on the real one.
const sources: ReadonlyArray<Source> = [
  { name: "Date.now()", owner: globalOf("Date"), key: "now" },
  { name: "performance.now()", owner: globalOf("performance"), key: "now" },
  { name: "Math.random()", owner: globalOf("Math"), key: "random" },
  { name: "crypto.randomUUID()", owner: globalOf("crypto"), key: "randomUUID" },
  { name: "crypto.getRandomValues()", owner: globalOf("crypto"), key: "getRandomValues" },
  { name: "new Date()", owner: () => globalThis, key: "Date" }
]

/** A stand-in that notes each call. With an argument, `new Date` and its like ask no clock. */
const noting =
  (name: string, asked: Set<string>) =>
  (real: Callable): Callable =>
    new Proxy(real, {
      apply: (target, self, values) => {
        asked.add(name)
        return Reflect.apply(target, self, values)
      },
      construct: (target, values, newTarget) => {
        if (values.length === 0) asked.add(name)
        return Reflect.construct(target, values, newTarget)
      }
    })

type Callable = (...values: ReadonlyArray<unknown>) => unknown

const isCallable = (value: unknown): value is Callable => typeof value === "function"

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

/** Replaces a method where it is defined; gives what puts it back. Does nothing where there is none, or it is locked. */
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
