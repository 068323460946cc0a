/** Rows of an import on their way to events: numbered within their execution, and cut into batches. */
import { type Commit, type ImportedRow, Json, noState, type Workflow } from "@refold/core"
import { Array, Deferred, Effect, Option } from "effect"
import { hash } from "node:crypto"

/** A row with the position, the id and the source state of its event. */
export interface NumberedRow {
  readonly row: ImportedRow
  readonly position: number
  readonly eventId: string
  readonly fromState: string
}

/** Rows that are written together. */
export interface Batch {
  readonly rows: Array.NonEmptyReadonlyArray<NumberedRow>
  /** Waits until the earlier events of the first execution are written. */
  readonly ready: Effect.Effect<void>
  readonly written: Deferred.Deferred<void>
}

/** The rows of an execution follow each other, in order of time; `last` is the row before them. */
export const numberRows = (
  tenant: string,
  last: NumberedRow | undefined,
  rows: Array.NonEmptyReadonlyArray<ImportedRow>
): readonly [NumberedRow, Array.NonEmptyReadonlyArray<NumberedRow>] => {
  let previous = last
  const numbered = Array.map(rows, (row) => {
    const isFirst = previous?.row.execution_id !== row.execution_id
    const next = numberRow(tenant, isFirst ? undefined : previous, row)
    previous = next
    return next
  })
  return [Array.lastNonEmpty(numbered), numbered]
}

const numberRow = (tenant: string, previous: NumberedRow | undefined, row: ImportedRow): NumberedRow => ({
  row,
  position: (previous?.position ?? 0) + 1,
  eventId: eventIdOf(previous?.eventId ?? Json.canonical([tenant, row.execution_id]), row),
  fromState: previous?.row.event_name ?? noState
})

/** An id in the form of a UUID, version 8, that identifies the row together with all rows before it. */
const eventIdOf = (previous: string, row: ImportedRow): string => {
  const { created_at, event_name, event_type, payload = null, user_id = null } = row
  const hex = hash("sha256", `${previous}${Json.canonical([created_at, event_name, event_type, user_id, payload])}`)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The state between two batches. */
export interface Remainder {
  /** Rows of the last execution so far; more of its rows may follow. */
  readonly rows: ReadonlyArray<NumberedRow>
  readonly before?: Batch
}

/** Cuts a batch between two executions where possible: batches of different executions do not wait for each other. */
export const cutBatch = (
  { before, rows: held }: Remainder,
  rows: Array.NonEmptyReadonlyArray<NumberedRow>
): readonly [Remainder, ReadonlyArray<Batch>] => {
  const all = Array.appendAll(held, rows)
  const last = Array.lastNonEmpty(all)
  const [whole, rest] = Array.splitAt(all, all.findLastIndex((each) => !isSameExecution(each, last)) + 1)
  const [cut, next] = Array.isReadonlyArrayNonEmpty(whole) ? [whole, rest] : [all, []]
  const batch = batchOf(cut, before)
  return [{ rows: next, before: batch }, [batch]]
}

/** The batch of the remainder, at the end of all rows. */
export const lastBatch = ({ before, rows }: Remainder): ReadonlyArray<Batch> =>
  Array.isReadonlyArrayNonEmpty(rows) ? [batchOf(rows, before)] : []

const batchOf = (rows: Array.NonEmptyReadonlyArray<NumberedRow>, before: Batch | undefined): Batch => ({
  rows,
  ready:
    before !== undefined && isSameExecution(Array.lastNonEmpty(before.rows), rows[0])
      ? Deferred.await(before.written)
      : Effect.void,
  written: Deferred.makeUnsafe()
})

export const isSameExecution = (left: NumberedRow, right: NumberedRow): boolean =>
  left.row.execution_id === right.row.execution_id

/** The commit of rows of one execution; none without rows. */
export const toCommit = (
  tenant: string,
  workflow: Workflow.Workflow,
  rows: ReadonlyArray<NumberedRow>
): Option.Option<Commit.Commit> =>
  Array.isReadonlyArrayNonEmpty(rows)
    ? Option.some({
        tenant,
        executionId: rows[0].row.execution_id,
        workflow,
        expectedPosition: rows[0].position - 1,
        events: Array.map(rows, toEvent),
        isComplete: false
      })
    : Option.none()

const toEvent = ({ eventId, fromState, row }: NumberedRow): Commit.ImportedEvent => ({
  event_id: eventId,
  event_name: row.event_name,
  event_type: row.event_type,
  from_state: fromState,
  to_state: row.event_name,
  ...(row.user_id === undefined ? {} : { user_id: row.user_id }),
  ...(row.payload === undefined ? {} : { payload: row.payload }),
  schema_version: 1,
  created_at: row.created_at,
  metadata: {}
})
