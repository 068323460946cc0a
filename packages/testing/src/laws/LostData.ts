/** Finds upcasters that lose data: parts of an old payload that never change its upcast payload. */
import { Json, Upcast } from "@refold/core"
import { Result } from "effect"
import fc from "fast-check"
import type { Payload } from "./PayloadArbitrary.ts"

/** Two payloads of an old version that differ at one path, and are equal after the upcast. */
export interface Lost {
  /** JSON pointer into the old payload. */
  readonly path: string
  readonly left: Json.Json
  readonly right: Json.Json
  readonly upcast: Payload
}

/** A part is lost if it differed in this many pairs of payloads without any effect. */
const minPairs = 10

/** The first part that the upcasters of a version lose and that is not `dropped`, shown with small payloads. */
export const find = (
  event: Upcast.EventSchema,
  version: number,
  payloads: fc.Arbitrary<Payload>,
  dropped: ReadonlyArray<string>,
  parameters: { readonly seed: number; readonly numRuns?: number }
): Lost | undefined => {
  const pairs = fc.tuple(payloads, payloads)
  const upcast = (payload: Json.Json) =>
    Result.try({
      try: () => Result.getOrThrow(Upcast.apply(Upcast.upcastersOf(event), version, payload)),
      catch: String
    })
  /** Undefined if the payloads do not differ at the path, or cannot be upcast. */
  const compare = (path: string, left: Payload, right: Payload): (Lost & { isLost: boolean }) | undefined => {
    const exchanged = exchange(left, right, path.split("/").slice(1).map(unescape))
    if (exchanged === undefined || left === undefined) return undefined
    const [one, other] = [upcast(left), upcast(exchanged)]
    if (Result.isFailure(one) || Result.isFailure(other)) return undefined
    const isLost = textOf(one.success) === textOf(other.success)
    return { path, left, right: exchanged, upcast: one.success, isLost }
  }
  const isDropped = (path: string) => dropped.some((part) => path === part || path.startsWith(`${part}/`))
  const seen = new Map<string, { differed: number; mattered: number }>()
  fc.check(
    fc.property(pairs, ([left, right]) => {
      for (const path of new Set([...pathsOf(left, ""), ...pathsOf(right, "")])) {
        const found = compare(path, left, right)
        if (found === undefined) continue
        const counts = seen.get(path) ?? { differed: 0, mattered: 0 }
        seen.set(path, { differed: counts.differed + 1, mattered: counts.mattered + (found.isLost ? 0 : 1) })
      }
    }),
    parameters
  )
  const [path] = [...seen].find(
    ([path, { differed, mattered }]) => differed >= minPairs && mattered === 0 && !isDropped(path)
  ) ?? [undefined]
  if (path === undefined) return undefined
  const { counterexample } = fc.check(
    fc.property(pairs, ([left, right]) => compare(path, left, right)?.isLost !== true),
    parameters
  )
  const [[left, right] = [undefined, undefined]] = counterexample ?? []
  return compare(path, left, right)
}

/** Pointers to the members of a payload and of the objects in it. A list is one part. */
function* pathsOf(payload: Payload, path: string): Generator<string> {
  for (const [key, member] of Object.entries(Json.asObject(payload) ?? {})) {
    const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`
    yield at
    yield* pathsOf(member, at)
  }
}

const unescape = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~")

/** The left value with the part of the right one; undefined if that changes nothing, or if there is no object to change. */
const exchange = (left: Payload, right: Payload, [key, ...rest]: ReadonlyArray<string>): Json.Json | undefined => {
  const [into, from] = [Json.asObject(left), Json.asObject(right)]
  if (key === undefined) return textOf(left) === textOf(right) ? undefined : right
  if (into === undefined || from === undefined) return undefined
  if (rest.length > 0) {
    const part = exchange(into[key], from[key], rest)
    return part === undefined ? undefined : { ...into, [key]: part }
  }
  if (textOf(into[key]) === textOf(from[key])) return undefined
  const { [key]: _left, ...others } = into
  return from[key] === undefined ? others : { ...others, [key]: from[key] }
}

const textOf = (payload: Payload): string => (payload === undefined ? "" : Json.canonical(payload))
