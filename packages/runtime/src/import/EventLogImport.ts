/** Imports a foreign event log into the store: one execution per case, one event per row, in order of time. */
import {
  type Commit,
  type ExecutionHeader,
  Identifier,
  type ImportedRow,
  Instant,
  Json,
  type StoreError,
  Workflow,
  WorkflowEventModel,
  WorkflowExecutionModel
} from "@refold/core"
import {
  Array,
  Deferred,
  Effect,
  type FileSystem,
  Order,
  type PlatformError,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as ExternalSort from "./ExternalSort.ts"
import * as ImportBatch from "./ImportBatch.ts"

/** A row cannot become an event. Names its line in the file; nothing was written. */
export class RowRefused extends Schema.TaggedError<RowRefused>()("RowRefused", {
  line: Schema.Int,
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Line ${this.line}: ${this.field} ${this.problem}`
  }
}

/** The execution exists with a different history. Its log does not change; events that were imported before this one stay. */
export class ImportConflict extends Schema.TaggedError<ImportConflict>()("ImportConflict", {
  executionId: Schema.String,
  line: Schema.Int,
  position: Schema.Int,
  problem: Schema.String
}) {
  override get message(): string {
    return `Line ${this.line}: event ${this.position} of execution "${this.executionId}" ${this.problem}`
  }
}

export interface ImportProgress {
  readonly phase: "reading" | "writing"
  readonly rowCount: number
  /** Known once all rows are read. */
  readonly totalRowCount?: number
}

export interface ImportSummary {
  readonly rowCount: number
  readonly executionCount: number
  readonly eventsAdded: number
}

/** `PlatformError` comes from the temporary files of rows that do not fit into memory. */
export type ImportError =
  | Identifier.InvalidInput
  | RowRefused
  | ImportConflict
  | Commit.CommitRefused
  | StoreError
  | PlatformError.PlatformError

/** Rows per commit, about: a batch ends between two executions, so it can have twice as many. */
const batchRowCount = 2000

/** Batches in flight: while the store writes one, the process prepares the next. */
const batchesInFlight = 2

/**
 * Imports rows in any order.
 *
 * **Details**
 *
 * Reads and checks all rows before it writes the first event. Orders the rows of an execution by instant, then by their place in
 * the file. The id of an event is a hash of the tenant, the execution and all rows up to its own, so a second import of the same
 * file adds nothing, and an import of a longer version adds the rest. Memory is bounded for any number of rows.
 */
export const importRows = Effect.fn("EventLogImport.importRows")(function* <E, R>(
  rows: Stream.Stream<ImportedRow, E, R>,
  options: {
    readonly tenant: string
    readonly workflow: string
    readonly onProgress?: (progress: ImportProgress) => Effect.Effect<void>
  }
): Effect.fn.Return<
  ImportSummary,
  E | ImportError,
  R | FileSystem.FileSystem | Scope.Scope | WorkflowEventModel | WorkflowExecutionModel
> {
  const { onProgress = () => Effect.void, tenant } = options
  yield* Effect.fromResult(Identifier.check({ tenant, workflow: options.workflow }))
  const target: Target = {
    events: yield* WorkflowEventModel,
    executions: yield* WorkflowExecutionModel,
    tenant,
    workflow: Workflow.open(options.workflow)
  }
  let rowCount = 0
  const checked = rows.pipe(
    Stream.mapArrayEffect((batch) => {
      for (const row of batch) {
        const refused = findRefusal(row)
        if (refused !== undefined) return Effect.fail(refused)
      }
      rowCount += batch.length
      return Effect.as(onProgress({ phase: "reading", rowCount }), batch)
    })
  )
  const sorted = yield* ExternalSort.sort(checked, { order: byExecutionThenTime, weigh })
  const total = { rowCount: 0, executionCount: 0, eventsAdded: 0 }
  yield* sorted.pipe(
    Stream.rechunk(batchRowCount),
    Stream.mapAccumArray(
      (): ImportBatch.NumberedRow | undefined => undefined,
      (last, batch) => ImportBatch.numberRows(tenant, last, batch)
    ),
    Stream.mapAccumArray((): ImportBatch.Remainder => ({ rows: [] }), ImportBatch.cutBatch, {
      onHalt: ImportBatch.lastBatch
    }),
    Stream.mapEffect((batch) => writeBatch(target, batch), {
      // A caller's transaction has one session, which runs one statement at a time.
      concurrency: (yield* target.events.isInTransaction) ? 1 : batchesInFlight,
      unordered: true
    }),
    Stream.runForEach((written) => {
      total.rowCount += written.rowCount
      total.executionCount += written.executionCount
      total.eventsAdded += written.eventsAdded
      return onProgress({ phase: "writing", rowCount: total.rowCount, totalRowCount: rowCount })
    })
  )
  const summary: ImportSummary = total
  return summary
}, Effect.scoped)

const byExecutionThenTime: Order.Order<ImportedRow> = Order.combineAll([
  Order.mapInput(Order.String, (row: ImportedRow) => row.execution_id),
  Order.mapInput(Order.String, (row: ImportedRow) => row.created_at),
  Order.mapInput(Order.Number, (row: ImportedRow) => row.place)
])

/** The approximate bytes of a row in memory: its objects, and two bytes per character of its texts. */
const weigh = (row: ImportedRow): number => {
  let weight = 400 + 2 * (row.execution_id.length + row.event_name.length)
  for (const value of Object.values(row.payload ?? {})) {
    weight += 64 + 2 * (typeof value === "string" ? value.length : JSON.stringify(value).length)
  }
  return weight
}

const isInstant = Schema.is(Instant.Instant)

const findRefusal = (row: ImportedRow): RowRefused | undefined => {
  const { created_at, event_name, event_type, execution_id, line, user_id } = row
  const refuse = (field: string, problem: string) => new RowRefused({ line, field, problem })
  for (const [field, text] of Object.entries({ execution_id, event_name, event_type, user_id })) {
    const problem = text === undefined ? undefined : Identifier.problem(text)
    if (problem !== undefined) return refuse(field, problem)
  }
  if (!isInstant(created_at)) return refuse("created_at", "is not an instant such as 2025-03-01T12:00:00.000Z")
  const payload = Json.check(row.payload ?? null)
  return Result.isFailure(payload) ? refuse(`payload${payload.failure.path}`, payload.failure.problem) : undefined
}

// --- Writing ----------------------------------------------------------------------------------------------------------

/** The store and the executions that an import writes to. */
interface Target {
  readonly events: WorkflowEventModel["Service"]
  readonly executions: WorkflowExecutionModel["Service"]
  readonly tenant: string
  readonly workflow: Workflow.Workflow
}

/** Writes the rows of a batch that the log does not have yet. */
const writeBatch = Effect.fnUntraced(function* (target: Target, { ready, rows, written }: ImportBatch.Batch) {
  const { events, executions, tenant, workflow } = target
  yield* ready
  const groups = Array.groupWith(rows, ImportBatch.isSameExecution)
  const executionIds = groups.map(([first]) => first.row.execution_id)
  const found = yield* executions.findMany({ tenant, executionIds })
  const headers = new Map(found.map((header) => [header.executionId, header]))
  const commits = yield* Effect.forEach(groups, (group) =>
    Effect.map(missingRows(target, group, headers.get(group[0].row.execution_id)), (rest) =>
      ImportBatch.toCommit(tenant, workflow, rest)
    )
  )
  const sent = Array.getSomes(commits)
  let eventsAdded = 0
  for (const result of Array.isReadonlyArrayNonEmpty(sent) ? yield* events.commit(sent) : []) {
    eventsAdded += (yield* Effect.fromResult(result)).events.length
  }
  yield* Deferred.succeed(written, undefined)
  const executionCount = rows.filter(({ position }) => position === 1).length
  return { rowCount: rows.length, executionCount, eventsAdded }
})

/** The rows of an execution that its log does not have yet; fails if the log has other events. */
const missingRows = Effect.fnUntraced(function* (
  target: Target,
  rows: Array.NonEmptyReadonlyArray<ImportBatch.NumberedRow>,
  header: ExecutionHeader | undefined
) {
  if (header === undefined) return rows
  const [first] = rows
  if (header.workflow.name !== target.workflow.name || !Workflow.isOpen(header.workflow)) {
    return yield* conflict(
      first,
      `cannot be added: it runs workflow "${header.workflow.name}". Import the log under another tenant`
    )
  }
  const known = rows.filter(({ position }) => position <= header.position)
  const newest = known.at(-1)
  if (newest !== undefined) {
    // Each id depends on all rows before it, so the newest one proves the others.
    const [stored] = yield* storedIds(target, newest, 1)
    if (stored !== newest.eventId) {
      const ids = yield* storedIds(target, newest, known.length)
      const different = known.find(({ eventId }, index) => ids[index] !== eventId) ?? newest
      return yield* conflict(different, "differs from the one in the log, which stays as it is")
    }
  }
  return rows.slice(known.length)
})

/** Ids of the stored events at the position of a row and before it, `count` in all. */
const storedIds = ({ events, tenant }: Target, { position, row }: ImportBatch.NumberedRow, count: number) =>
  events.read({ tenant, executionId: row.execution_id, after: position - count, to: position }).pipe(
    Stream.map(({ event_id }) => event_id),
    Stream.runCollect
  )

const conflict = ({ position, row }: ImportBatch.NumberedRow, problem: string) =>
  Effect.fail(new ImportConflict({ executionId: row.execution_id, line: row.line, position, problem }))
