/** Random values, together with the arbitrary that shrinks them. */
import fc from "fast-check"

/** A value with the arbitrary that drew it, which can shrink it. */
export interface Drawn<Value> {
  readonly arbitrary: fc.Arbitrary<Value>
  readonly value: fc.Value<Value>
}

export const draw = <Value>(
  arbitrary: fc.Arbitrary<Value>,
  random: fc.Random,
  bias: number | undefined
): Drawn<Value> => ({ arbitrary, value: arbitrary.generate(random, bias) })

/** The next smaller values of a drawn one. */
export const smaller = <Value>({ arbitrary, value }: Drawn<Value>): fc.Stream<Drawn<Value>> =>
  arbitrary.shrink(value.value, value.context).map((less) => ({ arbitrary, value: less }))

/** A random member; undefined if there are none. */
export const pick = <Member>(members: ReadonlyArray<Member>, random: fc.Random): Member | undefined =>
  members.length === 0 ? undefined : members[random.nextInt(0, members.length - 1)]

/**
 * A whole number from 0 to `max`. It shrinks to each smaller number: the meaning of a position changes with the log, so a binary
 * search would not find the smallest failing one.
 */
export const upTo = (max: number): fc.Arbitrary<number> => new UpTo(max)

class UpTo extends fc.Arbitrary<number> {
  private readonly max: number

  constructor(max: number) {
    super()
    this.max = max
  }

  override generate(random: fc.Random): fc.Value<number> {
    return new fc.Value(random.nextInt(0, this.max), undefined)
  }

  override canShrinkWithoutContext(value: unknown): value is number {
    return typeof value === "number"
  }

  override shrink(value: number): fc.Stream<fc.Value<number>> {
    return fc.stream(Array.from({ length: value }, (_, less) => new fc.Value(less, undefined)).values())
  }
}
