/** One measurement, and the names of the figures that it gives. */
import type { Effect, Scope } from "effect"
import type { Figure } from "./Measure.ts"
import type { Servers } from "./Servers.ts"

export interface Run {
  readonly names: ReadonlyArray<string>
  /** The most space on the disk of a private server; 0 if no server is used. */
  readonly diskGiB: number
  readonly figures: Effect.Effect<ReadonlyArray<Figure>, unknown, Servers | Scope.Scope>
}
