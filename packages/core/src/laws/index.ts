export {
  LawBroken,
  type LawOptions,
  checkDataRoundTrip,
  checkDecisions,
  checkFold,
  checkIdempotence,
  checkPurity,
  checkSnapshots,
  checkTemporal,
  checkUpcasts,
  checkWorkflow
} from "./Laws.ts"
export { type Attempt, type Generators, type Log, describe, logs } from "./LogArbitrary.ts"
