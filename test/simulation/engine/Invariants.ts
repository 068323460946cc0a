/** The invariants after every write and for every answer. Watches the ports below the processes, and the callers' answers. */
import type {
  WakeUpChannel,
  PartitionLeases,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import {
  type Claim,
  type Commit,
  type Delivery,
  type ExecutionHeader,
  type ExecutionRef,
  type ExecutionState,
  type QueuedEvent,
  type Snapshot,
  type WorkflowEvent,
  executionKey
} from "@refold/core"
import type { Enqueued, ProcessingResult } from "@refold/runtime"
import { type Array as Arrays, Effect, Equal, Option, Result, Stream } from "effect"
import { type Model, after, emptyModel, isAccepted } from "../Counter.ts"
import { type ProcessName, type Request, nameOf } from "./Script.ts"

export interface Ports {
  readonly events: WorkflowEventModel["Service"]
  readonly executions: WorkflowExecutionModel["Service"]
  readonly snapshots: WorkflowSnapshotModel["Service"]
  readonly queue: WorkflowEventProcessingModel["Service"]
  readonly stream: WakeUpChannel["Service"]
  readonly leases: PartitionLeases["Service"]
}

export type Invariant =
  | "Positions are 1, 2, 3 …"
  | "Offsets are 1, 2, 3 …"
  | "The log only grows"
  | "Time never decreases in a log"
  | "Every event was allowed in the state before it"
  | "The header is the log's last event"
  | "A snapshot is the fold"
  | "Each event is applied once"
  | "The queue is settled in order"
  | "A settled event stays settled"
  | "No accepted event is lost"
  | "A refusal has a reason"
  | "A refused request leaves no trace"
  | "An answer is true"
  | "A key gives the first result"
  | "No failure without a cause"
  | "Each attempt is counted once"
  | "Wake-ups are acknowledged after the commit"
  | "Leases are released"
  | "Closing drains"
  | "Every pending event is found"
  | "A wake-up is enough"
  | "Nothing is given up for good"
  | "The channel is empty at the end"
  | "The run comes to rest"

export class Violation extends Error {
  override readonly name = "Violation"
  readonly invariant: Invariant
  constructor(invariant: Invariant, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

/** One submission, or one event to queue, of one caller. */
export interface Asked extends Request {
  readonly ref: ExecutionRef
}

/** The last known state of an execution. */
interface Seen {
  readonly ref: ExecutionRef
  log: ReadonlyArray<WorkflowEvent>
  /** The model's state after the first events of the log, by their count. */
  readonly models: Array<Model>
  entries: ReadonlyArray<QueuedEvent.QueueEntry>
  /** By processing id. */
  readonly settled: Map<string, QueuedEvent.QueueEntry>
  readonly accepted: Set<string>
  /** Refused or answered submissions, by user. A user submits once, or repeats one request with one key. */
  readonly refused: Set<string>
  readonly applied: Set<string>
  /** The first answer to callers, by idempotency key. */
  readonly firstStates: Map<string, ExecutionState.ExecutionState>
  readonly firstEnqueued: Map<string, Enqueued>
}

/** A place in the sequence of observations, and its time. */
interface Moment {
  readonly count: number
  readonly millis: number
}

const never: Moment = { count: -1, millis: -Infinity }

/** One life of a watched process. */
export interface Watched {
  readonly name: ProcessName
  readonly isWorker: boolean
  /** Open attempts by processing id: the execution's key, and whether a commit may have ended the attempt. */
  readonly attempts: Map<string, string>
  /** Unacknowledged wake-ups by partition and delivery id. A loss of partitions drops those read so far. */
  readonly read: Map<string, { readonly key: string; readonly at: Moment; readonly isLetGo: boolean }>
  /** When the process last asked for queued events, by execution. */
  readonly begun: Map<string, Moment>
  /** The start of the last pass that got its final answer, by execution. */
  readonly ended: Map<string, Moment>
  /** When the process last lost a partition. */
  lost: Moment
  owned: ReadonlySet<number>
}

export const watch = (name: ProcessName, isWorker: boolean): Watched => ({
  name,
  isWorker,
  attempts: new Map(),
  read: new Map(),
  begun: new Map(),
  ended: new Map(),
  lost: never,
  owned: new Set()
})

export class Invariants {
  readonly #ports: Ports
  readonly #runSync: <A>(effect: Effect.Effect<A, unknown>) => A
  readonly #maxAttempts: number
  readonly #nowMillis: () => number
  readonly #afterwardsMillis: number
  readonly #seen = new Map<string, Seen>()
  readonly #feedLengths = new Map<number, number>()
  #momentCount = 0
  violation: Violation | undefined

  constructor(options: {
    readonly ports: Ports
    readonly runSync: <A>(effect: Effect.Effect<A, unknown>) => A
    readonly maxAttempts: number
    readonly nowMillis: () => number
    /** What a worker may still have to do after an answer. */
    readonly afterwardsMillis: number
  }) {
    this.#ports = options.ports
    this.#runSync = options.runSync
    this.#maxAttempts = options.maxAttempts
    this.#nowMillis = options.nowMillis
    this.#afterwardsMillis = options.afterwardsMillis
  }

  violate(invariant: Invariant, detail: string): void {
    this.violation ??= new Violation(invariant, detail)
  }

  get executions(): ReadonlyArray<Seen> {
    return [...this.#seen.values()]
  }

  seen(ref: ExecutionRef): Seen {
    const key = executionKey(ref)
    const known = this.#seen.get(key)
    if (known !== undefined) return known
    const fresh: Seen = {
      ref,
      log: [],
      models: [emptyModel],
      entries: [],
      settled: new Map(),
      accepted: new Set(),
      refused: new Set(),
      applied: new Set(),
      firstStates: new Map(),
      firstEnqueued: new Map()
    }
    this.#seen.set(key, fresh)
    return fresh
  }

  // --- What is in the store --------------------------------------------------------------------------------------------

  /** Checks an execution that may have changed. */
  check(ref: ExecutionRef): void {
    const { events, executions, queue } = this.#ports
    const { header, list, log } = this.#runSync(
      Effect.gen(function* () {
        const header = yield* executions.find(ref)
        const log = yield* Stream.runCollect(events.read(ref))
        const list = yield* Stream.runCollect(queue.list({ ...ref, statuses: every }))
        return { header, log, list }
      })
    )
    const seen = this.seen(ref)
    this.#checkLog(seen, log)
    this.#checkHeader(seen, header)
    this.#checkQueue(seen, list)
  }

  #checkLog(seen: Seen, log: ReadonlyArray<WorkflowEvent>): void {
    const where = nameOf(seen.ref)
    for (const [index, event] of seen.log.entries()) {
      if (!Equal.equals(log[index], event)) this.violate("The log only grows", `event ${index + 1} of ${where} changed`)
    }
    for (let index = seen.log.length; index < log.length; index++) {
      const event = log[index]
      const before = seen.models[index]
      if (event === undefined || before === undefined) break
      if (event.position !== index + 1) {
        this.violate("Positions are 1, 2, 3 …", `event ${index + 1} of ${where} is at position ${event.position}`)
      }
      if (event.created_at < (log[index - 1]?.created_at ?? "")) {
        this.violate("Time never decreases in a log", `event ${index + 1} of ${where} is of ${event.created_at}`)
      }
      if (index > 0 && !isAccepted(before, submissionOf(event))) {
        const state = JSON.stringify(before)
        this.violate("Every event was allowed in the state before it", `${textOf(event)} of ${where}, on ${state}`)
      }
      if (index > 0 && log.slice(0, index).some((other) => other.user_id === event.user_id)) {
        this.violate("Each event is applied once", `${textOf(event)} of ${event.user_id ?? ""} is in ${where} again`)
      }
      if (seen.refused.has(event.user_id ?? "")) {
        this.violate("A refused request leaves no trace", `${textOf(event)} is in the log of ${where}`)
      }
      seen.models.push(after(before, submissionOf(event)))
    }
    seen.log = log
  }

  #checkHeader({ log, models, ref }: Seen, header: Option.Option<ExecutionHeader>): void {
    const last = log.at(-1)
    const actual = Option.getOrUndefined(header)
    const isAsLast =
      actual?.position === last?.position &&
      actual?.currentState === last?.to_state &&
      actual?.updatedAt === last?.created_at &&
      actual?.startedAt === log[0]?.created_at &&
      (actual?.isComplete ?? false) === (models[log.length]?.isClosed ?? false)
    if (!isAsLast) {
      this.violate("The header is the log's last event", `${nameOf(ref)}: ${JSON.stringify({ header: actual, last })}`)
    }
  }

  #checkQueue(seen: Seen, entries: ReadonlyArray<QueuedEvent.QueueEntry>): void {
    const { accepted, log, ref, refused, settled } = seen
    const where = nameOf(ref)
    let lastPlace = 0
    let lastPosition = 0
    let isOpen = false
    const found = new Set<string>()
    for (const entry of entries) {
      const { attemptCount, processingId, queuePosition, status } = entry
      const name = `queued event ${queuePosition} of ${where}`
      found.add(processingId)
      if (queuePosition <= lastPlace) this.violate("The queue is settled in order", `${name} comes after ${lastPlace}`)
      lastPlace = queuePosition
      const before = settled.get(processingId)
      if (status._tag === "Pending" || status._tag === "Dead") {
        isOpen = true
        if (before !== undefined && before.status._tag !== "Skipped") {
          this.violate("A settled event stays settled", `${name} was ${before.status._tag}, and is ${status._tag}`)
        }
        settled.delete(processingId)
      } else {
        if (isOpen) this.violate("The queue is settled in order", `${name} is settled before the events ahead of it`)
        const isGivenUp = before?.status._tag === "Skipped" && status._tag === "Discarded"
        if (before !== undefined && !isGivenUp && !Equal.equals(before, entry)) {
          this.violate("A settled event stays settled", `${name} changed: ${JSON.stringify({ before, entry })}`)
        }
        if (before === undefined && status._tag === "Rejected") this.#checkRefusal(seen, entry, lastPosition)
        settled.set(processingId, entry)
      }
      if ((status._tag === "Dead" || status._tag === "Skipped") && attemptCount < this.#maxAttempts) {
        this.violate("Each attempt is counted once", `${name} was given up after ${attemptCount} attempts`)
      }
      if (refused.has(entry.submission.user_id ?? "")) {
        this.violate("A refused request leaves no trace", `${name} is in the queue`)
      }
      const place = log.findIndex((event) => event.event_id === entry.eventId)
      if (status._tag !== "Applied") {
        if (place >= 0) this.violate("Each event is applied once", `${name} is ${status._tag}, but in the log`)
        continue
      }
      const event = log[status.position - 1]
      if (event === undefined || textOf(event) !== textOf(entry.submission) || event.to_state !== status.currentState) {
        this.violate("An answer is true", `${name} is not the event at position ${status.position}`)
      }
      // A submission with the same key settled it, so its event may be anywhere in the log.
      if (status.actionsExecuted.length === 0) continue
      if (place + 1 !== status.position) {
        this.violate("An answer is true", `${name} is at position ${place + 1}, not ${status.position}`)
      }
      if (status.position <= lastPosition) {
        this.violate("The queue is settled in order", `${name} is applied before the events ahead of it`)
      }
      lastPosition = status.position
    }
    for (const processingId of accepted) {
      if (!found.has(processingId)) this.violate("No accepted event is lost", `an event queued to ${where} is gone`)
    }
    seen.entries = entries
  }

  /** At least one state that the submission may have been decided on refuses it. */
  #checkRefusal({ log, models, ref }: Seen, entry: QueuedEvent.QueueEntry, from: number): void {
    const { status, submission } = entry
    if (status._tag !== "Rejected") return
    const name = `queued event ${entry.queuePosition} of ${nameOf(ref)}`
    if (status.error === "IdempotencyConflict") return
    if (log.some((event) => isOfKey(event, entry))) {
      return this.violate("A key gives the first result", `${name} was refused, though its key is in the log`)
    }
    if (models.slice(Math.max(from, 1)).every((model) => isAccepted(model, submission))) {
      this.violate("A refusal has a reason", `${name}, ${textOf(submission)}, was refused: ${status.reason}`)
    }
  }

  /** Checks the whole store at the end. */
  checkAll(partitionCount: number): void {
    const { events, snapshots } = this.#ports
    for (const { ref } of this.executions) this.check(ref)
    const logs = this.executions.flatMap(({ log }) => log)
    const feeds = Array.from({ length: partitionCount }, (_, partition) =>
      this.#runSync(events.readFeed({ partition, after: 0, limit: 100_000 }))
    )
    for (const [partition, feed] of feeds.entries()) {
      if (feed.some((event, index) => event.offset !== index + 1)) {
        this.violate("Offsets are 1, 2, 3 …", `the feed of partition ${partition}`)
      }
    }
    if (feeds.flat().length !== logs.length) {
      this.violate("Offsets are 1, 2, 3 …", "the feeds together are not the logs together")
    }
    for (const tenant of new Set(this.executions.map(({ ref }) => ref.tenant))) {
      for (const snapshot of this.#runSync(Stream.runCollect(snapshots.readTenant({ tenant })))) {
        this.saved(snapshot)
      }
    }
  }

  // --- What processes do to the ports ----------------------------------------------------------------------------------

  committed(
    commits: ReadonlyArray<Commit.Commit>,
    results: ReadonlyArray<Result.Result<Commit.Committed, Commit.CommitRefused>>
  ): void {
    for (const event of results.flatMap((result) => (Result.isSuccess(result) ? result.success.events : []))) {
      const length = (this.#feedLengths.get(event.partition) ?? 0) + 1
      if (event.offset !== length) {
        this.violate("Offsets are 1, 2, 3 …", `${event.offset} follows ${length - 1} in partition ${event.partition}`)
      }
      this.#feedLengths.set(event.partition, length)
    }
    for (const commit of commits) this.check(commit)
  }

  saved(snapshot: Snapshot.Snapshot): void {
    const seen = this.seen({ tenant: snapshot.tenant, executionId: snapshot.execution_id })
    const model = seen.models[snapshot.position]
    const event = seen.log[snapshot.position - 1]
    const isFold =
      model !== undefined &&
      Equal.equals(snapshot.data, { sum: model.sum }) &&
      snapshot.current_state === event?.to_state &&
      snapshot.updated_at === event.created_at &&
      snapshot.started_at === seen.log[0]?.created_at
    if (!isFold) {
      this.violate("A snapshot is the fold", `${nameOf(seen.ref)} at ${snapshot.position}: ${JSON.stringify(snapshot)}`)
    }
  }

  /** The process asks for queued events. A pass that ends with this answer says nothing about wake-ups read from here on. */
  begins(process: Watched, asked: ReadonlyArray<ExecutionRef>): void {
    for (const ref of asked) process.begun.set(executionKey(ref), this.#moment())
  }

  claimed(process: Watched, asked: ReadonlyArray<ExecutionRef>, claims: ReadonlyArray<Claim>): void {
    for (const { events, header } of claims) {
      const [{ processingId, queuePosition }] = events
      if (process.isWorker && process.attempts.has(processingId)) {
        this.violate(
          "Each attempt is counted once",
          `${process.name} claims queued event ${queuePosition} of ${nameOf(header)} again during its open attempt`
        )
      }
      process.attempts.set(processingId, executionKey(header))
    }
    const found = new Set(claims.map(({ header }) => executionKey(header)))
    for (const ref of asked) if (!found.has(executionKey(ref))) this.ended(process, ref)
  }

  /** The process has the answer that ends its pass over the execution. */
  ended(process: Watched, ref: ExecutionRef): void {
    const key = executionKey(ref)
    process.ended.set(key, process.begun.get(key) ?? this.#moment())
    for (const [processingId, ofExecution] of process.attempts) {
      if (ofExecution === key) process.attempts.delete(processingId)
    }
  }

  /** An operator redrove the event: its attempts start at 1 again. */
  givenBack(processes: Iterable<Watched>, processingId: string): void {
    for (const process of processes) process.attempts.delete(processingId)
  }

  received(process: Watched, deliveries: ReadonlyArray<Delivery>): void {
    const at = this.#moment()
    const isLetGo = at.millis - process.lost.millis < this.#afterwardsMillis
    for (const delivery of deliveries) {
      const id = idOf(delivery)
      if (!process.read.has(id)) process.read.set(id, { key: executionKey(delivery), at, isLetGo })
    }
  }

  acknowledged(process: Watched, deliveries: ReadonlyArray<Delivery>): void {
    for (const delivery of deliveries) {
      const key = executionKey(delivery)
      const read = process.read.get(idOf(delivery))
      process.read.delete(idOf(delivery))
      if (read === undefined || read.isLetGo || process.lost.count > read.at.count) continue
      if ((process.ended.get(key) ?? never).count < read.at.count) {
        this.violate(
          "Wake-ups are acknowledged after the commit",
          `${process.name} has not finished a pass over ${nameOf(delivery)} that began after the wake-up was read`
        )
      }
    }
  }

  renewed(process: Watched, partitions: ReadonlyArray<number>): void {
    const owned = new Set(partitions)
    if ([...process.owned].some((partition) => !owned.has(partition))) process.lost = this.#moment()
    process.owned = owned
  }

  #moment(): Moment {
    return { count: ++this.#momentCount, millis: this.#nowMillis() }
  }

  // --- What callers are told -------------------------------------------------------------------------------------------

  started(ref: ExecutionRef, state: ExecutionState.ExecutionState): void {
    this.#checkState(ref, state, 1)
    if (state.position !== 1) this.violate("An answer is true", `${nameOf(ref)} starts at position ${state.position}`)
  }

  /** Whether the execution was started with another key or without one. */
  isTaken(ref: ExecutionRef, key: string | undefined): boolean {
    if (this.seen(ref).log.length === 0) return false
    if (key === undefined) return true
    return Option.isNone(this.#runSync(this.#ports.events.findByIdempotencyKey({ ...ref, idempotencyKey: key })))
  }

  /** The event with that key when the call begins. */
  knownOf({ key, ref, submission }: Asked): WorkflowEvent | undefined {
    if (key === undefined) return undefined
    return this.seen(ref).log.find((event) => event.user_id === submission.user_id)
  }

  submitted(asked: Asked, known: WorkflowEvent | undefined, state: ExecutionState.ExecutionState): void {
    const { key, ref, submission } = asked
    const seen = this.seen(ref)
    this.#checkState(ref, state, state.position)
    const event = seen.log[state.position - 1]
    if (event?.user_id !== submission.user_id || textOf(event ?? submission) !== textOf(submission)) {
      this.violate("An answer is true", `${textOf(submission)} is not at position ${state.position} of ${nameOf(ref)}`)
    }
    seen.applied.add(submission.user_id ?? "")
    if (key === undefined) return
    const first = seen.firstStates.get(key)
    if (first === undefined) seen.firstStates.set(key, state)
    const isFirst =
      first === undefined ? known === undefined || known.position === state.position : Equal.equals(first, state)
    if (!isFirst) this.violate("A key gives the first result", `key ${key} of ${nameOf(ref)} leads to another state`)
  }

  /** `error` is final: nothing was written, except by another call with the same key. */
  refused(asked: Asked, known: { readonly before: unknown; readonly error: string }): void {
    const { key, ref, submission } = asked
    if (key === undefined) {
      const seen = this.seen(ref)
      seen.refused.add(submission.user_id ?? "")
      this.check(ref)
      const isThere = [...seen.log, ...seen.entries.map((entry) => entry.submission)].some(
        (each) => each.user_id === submission.user_id
      )
      if (isThere) this.violate("A refused request leaves no trace", `${textOf(submission)} is in ${nameOf(ref)}`)
    } else if (known.before !== undefined) {
      this.violate("A key gives the first result", `key ${key} of ${nameOf(ref)} is refused: ${known.error}`)
    }
  }

  /** The present state refuses the submission, or a state since the call began, when the log had that length. */
  checkRejection({ ref, submission }: Asked, length: number): void {
    const { models } = this.seen(ref)
    if (models.slice(Math.max(length, 1)).every((model) => isAccepted(model, submission))) {
      this.violate(
        "A refusal has a reason",
        `${textOf(submission)} to ${nameOf(ref)}, on ${JSON.stringify(models.at(-1))}`
      )
    }
  }

  /** The queue entry with that key when the call begins. */
  entryOf({ key, ref, submission }: Asked): QueuedEvent.QueueEntry | undefined {
    if (key === undefined) return undefined
    return this.seen(ref).entries.find((entry) => entry.submission.user_id === submission.user_id)
  }

  enqueued(asked: Asked, known: QueuedEvent.QueueEntry | undefined, enqueued: Enqueued): void {
    const { key, ref, submission } = asked
    const seen = this.seen(ref)
    this.check(ref)
    seen.accepted.add(enqueued.processingId)
    const entry = seen.entries.find((each) => each.processingId === enqueued.processingId)
    if (entry === undefined) return this.violate("No accepted event is lost", `${textOf(submission)} to ${nameOf(ref)}`)
    if (entry.eventId !== enqueued.eventId || textOf(entry.submission) !== textOf(submission)) {
      this.violate("An answer is true", `${textOf(submission)} is not what was queued to ${nameOf(ref)}`)
    }
    if (key === undefined) return
    const first = seen.firstEnqueued.get(key) ?? known ?? enqueued
    seen.firstEnqueued.set(key, { eventId: first.eventId, processingId: first.processingId })
    if (first.processingId !== enqueued.processingId || first.eventId !== enqueued.eventId) {
      this.violate("A key gives the first result", `key ${key} of ${nameOf(ref)} was queued twice`)
    }
  }

  processed(ref: ExecutionRef, processingId: string, result: ProcessingResult): void {
    const status = this.seen(ref).entries.find((entry) => entry.processingId === processingId)?.status
    if (status === undefined || status._tag === "Pending") {
      // A failed attempt is a true answer; the next attempt may end differently.
      if (result.success) this.violate("An answer is true", `a queued event of ${nameOf(ref)} is still pending`)
      return
    }
    const isTrue =
      result.success === (status._tag === "Applied") &&
      (status._tag !== "Applied" || result.currentState === status.currentState)
    if (!isTrue)
      this.violate(
        "An answer is true",
        `the result ${JSON.stringify(result)} contradicts the status ${JSON.stringify(status)}`
      )
  }

  #checkState(ref: ExecutionRef, state: ExecutionState.ExecutionState, position: number): void {
    const { log, models } = this.seen(ref)
    const model = models[position]
    const isFold =
      Equal.equals(state.data, { sum: model?.sum }) &&
      state.currentState === log[position - 1]?.to_state &&
      state.isComplete === model?.isClosed
    if (!isFold) this.violate("An answer is true", `${nameOf(ref)} at ${position} is not ${JSON.stringify(state)}`)
  }

  /** The state that a caller gets when nothing changes any more. */
  atRest(ref: ExecutionRef, state: ExecutionState.ExecutionState): void {
    this.#checkState(ref, state, this.seen(ref).log.length)
  }
}

const every: Arrays.NonEmptyReadonlyArray<QueuedEvent.Status["_tag"]> = [
  "Pending",
  "Dead",
  "Applied",
  "Rejected",
  "Skipped",
  "Discarded"
]

const idOf = ({ deliveryId, partition }: Delivery) => `${partition} ${deliveryId}`

const submissionOf = ({ event_name, payload, user_id }: WorkflowEvent) => ({
  event_name,
  ...(payload === undefined ? {} : { payload }),
  ...(user_id === undefined ? {} : { user_id })
})

const isOfKey = (event: WorkflowEvent, { idempotencyKey, submission }: QueuedEvent.QueueEntry) =>
  idempotencyKey !== undefined && event.user_id === submission.user_id

const textOf = ({
  event_name,
  payload,
  user_id
}: {
  readonly event_name: string
  readonly payload?: unknown
  readonly user_id?: string
}) => `${event_name} ${JSON.stringify(payload)} of ${user_id ?? "nobody"}`
