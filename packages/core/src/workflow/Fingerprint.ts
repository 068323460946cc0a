/** Fingerprints: which fold made a snapshot. A snapshot with another fingerprint is ignored. */
import { sha256 } from "../internal/Hash.ts"

/** The hash of a fold's parts. Functions are hashed by their source text: two builds have nothing else to compare. */
export const of = (fold: unknown): string =>
  sha256(JSON.stringify(fold, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)))
