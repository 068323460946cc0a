/**
 * Takes a foreign event log into the store: one execution per case, one event per row, in the order of time.
 */
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
  WorkflowExecutionModel,
  noState
} from "@refold/core"
import {
  Array,
  Deferred,
  Effect,
  type FileSystem,
  Option,
  Order,
  type PlatformError,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import { hash } from "node:crypto"
import * as ExternalSort from "./ExternalSort.ts"

/** A row that cannot be an event, by its line in the file; nothing was written. */
export class RowRefused extends Schema.TaggedError<RowRefused>()("RowRefused", {
  line: Schema.Int,
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Line ${this.line}: ${this.field} ${this.problem}`
  }
}

/** The execution is there already, with another history. What stood in the log stays; what was imported so far stays too. */
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
  /** Known once all is read. */
  readonly totalRowCount?: number
}

export interface ImportSummary {
  readonly rowCount: number
  readonly executionCount: number
  readonly eventsAdded: number
}

/** `PlatformError` is that of the temporary files, which hold what does not fit into memory. */
export type ImportError =
  | Identifier.InvalidInput
  | RowRefused
  | ImportConflict
  | Commit.CommitRefused
  | StoreError
  | PlatformError.PlatformError

/** Rows whose events go into one statement about, and into one commit at most twice as many. */
const batchRowCount = 2000

/** While the store writes one batch, the process makes the next one ready. */
const batchesUnderWay = 2

/**
 * Imports rows in any order.
 *
 * **Details**
 *
 * Reads and checks all rows before the first event is written. Within an execution: by instant, then by place in the
 * file. Event ids are made from the tenant, the execution and all rows up to the event's, so the same file adds nothing
 * the second time and a longer version of it adds the rest. Memory is bounded, whatever the length.
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
  const writer = yield* makeWriter(tenant, Workflow.open(options.workflow))
  let writtenCount = 0
  yield* sorted.pipe(
    Stream.rechunk(batchRowCount),
    Stream.mapArray(Array.map(writer.place)),
    Stream.mapAccumArray((): Uncut => ({ held: [] }), toBatch, {
      onHalt: ({ before, held }) => (Array.isReadonlyArrayNonEmpty(held) ? [batchOf(held, before)] : [])
    }),
    Stream.mapEffect(writer.write, { concurrency: writer.concurrency, unordered: true }),
    Stream.runForEach((count) => {
      writtenCount += count
      return onProgress({ phase: "writing", rowCount: writtenCount, totalRowCount: rowCount })
    })
  )
  const summary: ImportSummary = { rowCount, ...writer.counts() }
  return summary
}, Effect.scoped)

const byExecutionThenTime: Order.Order<ImportedRow> = Order.combineAll([
  Order.mapInput(Order.String, (row: ImportedRow) => row.execution_id),
  Order.mapInput(Order.String, (row: ImportedRow) => row.created_at),
  Order.mapInput(Order.Number, (row: ImportedRow) => row.place)
])

/** About what the row costs in memory: its texts, twice their length, and its objects. */
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

/** A row with the place and the id that its event has in its execution. */
interface Placed {
  readonly row: ImportedRow
  readonly position: number
  readonly eventId: string
  readonly fromState: string
}

interface Batch {
  readonly rows: Array.NonEmptyReadonlyArray<Placed>
  /** Until the events that must come first are there. */
  readonly ready: Effect.Effect<void>
  readonly written: Deferred.Deferred<void>
}

/** Between two batches. */
interface Uncut {
  /** Of the last execution so far, whose rows may go on. */
  readonly held: ReadonlyArray<Placed>
  readonly before?: Batch
}

/** Cuts between executions where it can: batches of different ones need not wait for each other. */
const toBatch = (
  { before, held }: Uncut,
  rows: Array.NonEmptyReadonlyArray<Placed>
): readonly [Uncut, ReadonlyArray<Batch>] => {
  const all = Array.appendAll(held, rows)
  const last = Array.lastNonEmpty(all)
  const [whole, rest] = Array.splitAt(all, all.findLastIndex((placed) => !isSameExecution(placed, last)) + 1)
  const [cut, next] = Array.isReadonlyArrayNonEmpty(whole) ? [whole, rest] : [all, []]
  const batch = batchOf(cut, before)
  return [{ held: next, before: batch }, [batch]]
}

const batchOf = (rows: Array.NonEmptyReadonlyArray<Placed>, before: Batch | undefined): Batch => ({
  rows,
  ready:
    before !== undefined && isSameExecution(Array.lastNonEmpty(before.rows), rows[0])
      ? Deferred.await(before.written)
      : Effect.void,
  written: Deferred.makeUnsafe()
})

const isSameExecution = (left: Placed, right: Placed): boolean => left.row.execution_id === right.row.execution_id

const makeWriter = Effect.fnUntraced(function* (tenant: string, workflow: Workflow.Workflow) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  let last: Placed | undefined
  let executionCount = 0
  let eventsAdded = 0

  const place = (row: ImportedRow): Placed => {
    const previous = last?.row.execution_id === row.execution_id ? last : undefined
    if (previous === undefined) executionCount += 1
    last = {
      row,
      position: (previous?.position ?? 0) + 1,
      eventId: eventIdOf(previous?.eventId ?? Json.canonical([tenant, row.execution_id]), row),
      fromState: previous?.row.event_name ?? noState
    }
    return last
  }

  /** What of an execution's rows the log does not hold yet; fails when what it holds is something else. */
  const missing = Effect.fnUntraced(function* (
    placed: Array.NonEmptyReadonlyArray<Placed>,
    header: ExecutionHeader | undefined
  ) {
    const [first] = placed
    const executionId = first.row.execution_id
    if (header === undefined) return placed
    if (header.workflow.name !== workflow.name || !Workflow.isOpen(header.workflow)) {
      return yield* conflict(
        first,
        `cannot be added: it runs workflow "${header.workflow.name}", so import under another`
      )
    }
    const known = placed.filter(({ position }) => position <= header.position)
    const newest = known.at(-1)
    if (newest !== undefined) {
      // Each id stands for all rows before it too, so the newest speaks for the others.
      const { position } = newest
      const stored = yield* events.read({ tenant, executionId, after: position - 1, to: position }).pipe(Stream.runHead)
      if (Option.isNone(stored) || stored.value.event_id !== newest.eventId) {
        return yield* conflict(
          yield* firstDifference(known, newest),
          "differs from the one in the log, which stays as it is"
        )
      }
    }
    return placed.slice(known.length)
  })

  const firstDifference = Effect.fnUntraced(function* (known: ReadonlyArray<Placed>, newest: Placed) {
    const before = newest.position - known.length
    const stored = yield* events
      .read({ tenant, executionId: newest.row.execution_id, after: before, to: newest.position })
      .pipe(Stream.runCollect)
    return known.find(({ eventId }, place) => stored[place]?.event_id !== eventId) ?? newest
  })

  const write = Effect.fnUntraced(function* ({ ready, rows, written }: Batch) {
    yield* ready
    const groups = Array.groupWith(rows, isSameExecution)
    const headers = new Map(
      (yield* executions.findMany({ tenant, executionIds: groups.map(([first]) => first.row.execution_id) })).map(
        (header) => [header.executionId, header]
      )
    )
    const commits = yield* Effect.forEach(groups, (placed) =>
      Effect.map(missing(placed, headers.get(placed[0].row.execution_id)), (rest) => toCommit(tenant, workflow, rest))
    )
    const sent = Array.getSomes(commits)
    for (const result of Array.isReadonlyArrayNonEmpty(sent) ? yield* events.commit(sent) : []) {
      eventsAdded += (yield* Effect.fromResult(result)).events.length
    }
    yield* Deferred.succeed(written, undefined)
    return rows.length
  })

  return {
    place,
    write,
    // A transaction of the caller's has one session, for one statement after another.
    concurrency: (yield* events.isInTransaction) ? 1 : batchesUnderWay,
    counts: () => ({ executionCount, eventsAdded })
  }
})

const conflict = ({ position, row }: Placed, problem: string) =>
  Effect.fail(new ImportConflict({ executionId: row.execution_id, line: row.line, position, problem }))

const toCommit = (
  tenant: string,
  workflow: Workflow.Workflow,
  placed: ReadonlyArray<Placed>
): Option.Option<Commit.Commit> =>
  Array.isReadonlyArrayNonEmpty(placed)
    ? Option.some({
        tenant,
        executionId: placed[0].row.execution_id,
        workflow,
        expectedPosition: placed[0].position - 1,
        events: Array.map(placed, toEvent),
        isComplete: false
      })
    : Option.none()

const toEvent = ({ eventId, fromState, row }: Placed): Commit.ImportedEvent => ({
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

/** An id in the form of a UUID, version 8, that stands for the row and for all that came before it. */
const eventIdOf = (previous: string, row: ImportedRow): string => {
  const { created_at, event_name, event_type, payload = null, user_id = null } = row
  const hex = hash("sha256", `${previous}${Json.canonical([created_at, event_name, event_type, user_id, payload])}`)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
