/** Array parameters with the name of their type: the client cannot infer it from an array of nulls. */
import { PgTypes } from "@effect/sql-pg"
import { Result } from "effect"

/** A `text[]` parameter. */
export const texts = (values: ReadonlyArray<string | null>) => arrayOf(values, PgTypes.OID.text)

/** An `int[]` parameter. */
export const ints = (values: ReadonlyArray<number | null>) => arrayOf(values, PgTypes.OID.int4)

/** A `bool[]` parameter. */
export const bools = (values: ReadonlyArray<boolean>) => arrayOf(values, PgTypes.OID.bool)

const arrayOf = (values: ReadonlyArray<unknown>, elementOid: number) =>
  Result.getOrThrow(PgTypes.array(values, elementOid))
