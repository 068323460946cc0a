/**
 * The laws of a definition: promises about every log that is generated from it.
 *
 * **Details**
 *
 * `checkWorkflow` runs them in this order: a law that explains failures of others comes first. A handler that changes its
 * arguments, for example, breaks most of them. Law 6 of the design, delivery, is about adapters and workers, and not here.
 */
import { decisions, purity, roundTrip, upcasts } from "./DefinitionLaws.ts"
import type { Law } from "./Law.ts"
import { fold, idempotence, snapshots, temporal } from "./ReplayLaws.ts"

export const laws: ReadonlyArray<Law> = [purity, roundTrip, decisions, upcasts, fold, idempotence, snapshots, temporal]
