/**
 * A fast-check arbitrary of the payloads of a schema. Effect draws them; they shrink as JSON. So the payloads of every schema that
 * Effect can draw from can be shrunk, with any checks and transformations.
 */
import type { Upcast } from "@refold/core"
import { Json } from "@refold/core"
import { Arbitrary, Effect, Result, Schema, identity } from "effect"
import fc from "fast-check"
import { type Leaf, leavesOf, simpler, withLeaf } from "./JsonVariation.ts"

/** A payload: JSON, or absent. */
export type Payload = Json.Json | undefined

/** The payloads of a schema. Fails with a reason, the end of a sentence, if none can be drawn. */
export const make = (schema: Upcast.PayloadSchema): Result.Result<PayloadArbitrary, string> =>
  Result.flatMap(Result.try({ try: () => Arbitrary.schema(schema), catch: String }), (values) => {
    const accepts = acceptedBy(schema)
    const encode = Schema.encodeResult(schema)
    const sample = (seed: number, size: number): Option => {
      const drawn = Effect.runSync(Effect.result(Arbitrary.sampleEffect(values, { count: 1, seed, size })))
      const [json] = Result.getOrElse(
        Result.map(drawn, (all) => all.map((value) => encode(value))),
        () => []
      )
      return json !== undefined && Result.isSuccess(json) && accepts(json.success) ? [json.success] : []
    }
    for (let seed = 0; seed < 100; seed++) {
      const [...found] = sample(seed, seed % 10)
      if (found.length > 0) return Result.succeed(new PayloadArbitrary(sample, accepts, found[0]))
    }
    return Result.fail("no value drawn from it has a JSON form that it accepts again")
  })

/** One payload, or none. */
type Option = readonly [Payload] | readonly []

const acceptedBy = (schema: Upcast.PayloadSchema): ((payload: Payload) => boolean) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (payload) =>
    (payload === undefined || Result.isSuccess(Json.check(payload))) &&
    Result.isSuccess(Result.flatMap(Result.try({ try: () => decode(payload), catch: identity }), identity))
}

const sizes = [0, 1, 3, 10, 30]
const maxTries = 16

export class PayloadArbitrary extends fc.Arbitrary<Payload> {
  private readonly sample: (seed: number, size: number) => Option
  private readonly accepts: (payload: Payload) => boolean
  /** The payload for draws that yield none. */
  private readonly fallback: Payload

  constructor(
    sample: (seed: number, size: number) => Option,
    accepts: (payload: Payload) => boolean,
    fallback: Payload
  ) {
    super()
    this.sample = sample
    this.accepts = accepts
    this.fallback = fallback
  }

  override generate(random: fc.Random): fc.Value<Payload> {
    for (let tries = 0; tries < maxTries; tries++) {
      const size = sizes[random.nextInt(0, sizes.length - 1)] ?? 0
      const found = this.sample(random.nextInt(0, 2 ** 31 - 1), size)
      if (found.length > 0) return new fc.Value(found[0], undefined)
    }
    return new fc.Value(this.fallback, undefined)
  }

  /**
   * The payload with one leaf that random generation rarely finds: a text or a number of `known`, such as an id that the execution
   * has seen, or a number some powers of ten larger, as the limit of a guard may be.
   */
  vary(payload: Payload, known: ReadonlyArray<Leaf>, random: fc.Random): Payload {
    const leaves = leavesOf(payload)
    if (payload === undefined || leaves.length === 0) return payload
    const varied = withLeaf(payload, random.nextInt(0, leaves.length - 1), (leaf) => {
      const alike = known.filter((each) => typeof each === typeof leaf)
      const isLarger = typeof leaf === "number" && (alike.length === 0 || random.nextBoolean())
      if (isLarger) return Math.round(leaf * 10 ** random.nextInt(1, 7))
      return alike[random.nextInt(0, Math.max(0, alike.length - 1))] ?? leaf
    })
    return this.accepts(varied) ? varied : payload
  }

  override canShrinkWithoutContext(value: unknown): value is Payload {
    return value === undefined || Result.isSuccess(Json.check(value, Number.POSITIVE_INFINITY))
  }

  override shrink(payload: Payload): fc.Stream<fc.Value<Payload>> {
    return fc
      .stream(payload === undefined ? noValues() : simpler(payload))
      .filter((less) => this.accepts(less))
      .map((less) => new fc.Value<Payload>(less, undefined))
  }
}

function* noValues(): Generator<Json.Json> {}
