/**
 * Law 6 on any store: commands that enqueue, deliver, lose, crash and overtake, and the invariants after each of them.
 *
 * Two processes with separate caches work on the same executions, as when a worker has lost its lease and does not know
 * it yet. Each can crash, or the other can overtake it, around its claim and its commit.
 */
import { assert } from "@effect/vitest"
import {
  type Delivery,
  WakeUpChannel,
  type FailurePolicy,
  type ExecutionRef,
  type QueuedEvent,
  StoreError,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  type Submission
} from "@refold/core"
import { EventProcessor, Sweeper, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array, Context, Duration, Effect, Fiber, Layer, Option, Stream } from "effect"
import fc from "fast-check"
import { Counter, CounterMended, isAccepted, modelOf } from "./Counter.ts"
import { changed, servicesWith } from "../runtime/Services.ts"
import { startWorker } from "../runtime/Workers.ts"

const places = [
  { tenant: "a", executionId: "1" },
  { tenant: "a", executionId: "2" },
  { tenant: "b", executionId: "1" }
] as const

// --- Commands ---------------------------------------------------------------------------------------------------------

const at = fc.nat({ max: places.length - 1 })
const which = fc.nat({ max: 5 })
const process = fc.constantFrom(0 as const, 1 as const)
const submission: fc.Arbitrary<Submission> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -3, max: 4 }).map((by) => ({ event_name: "Added", payload: { by } })) },
  { weight: 1, arbitrary: fc.constant({ event_name: "Burst", payload: {} }) },
  { weight: 1, arbitrary: fc.constantFrom("Guarded", "Ended").map((name) => ({ event_name: name, payload: {} })) }
)
/** With a key, mostly the same request, which some states refuse. So two uses of a key often meet. */
const request = fc.oneof(
  { weight: 2, arbitrary: fc.record({ submission, key: fc.constant(undefined) }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<{ readonly submission: Submission; readonly key: string }>(
      { submission: { event_name: "Added", payload: { by: -2 } }, key: "k" },
      { submission: { event_name: "Added", payload: { by: -2 } }, key: "k" },
      { submission: { event_name: "Ended", payload: {} }, key: "l" },
      { submission: { event_name: "Ended", payload: {} }, key: "l" },
      { submission: { event_name: "Ended", payload: {} }, key: "k" }
    )
  }
)
/** A fault that happens once, around a process's next claim or commit. */
const fault = fc.option(
  fc.record({
    point: fc.constantFrom("claim" as const, "commit" as const),
    when: fc.constantFrom("before" as const, "after" as const),
    what: fc.constantFrom("crash" as const, "overtake" as const, "submit" as const, "lose" as const, "refuse" as const)
  }),
  { nil: undefined }
)

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("enqueue" as const),
      at,
      requests: fc.array(request, { minLength: 1, maxLength: 3 })
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("submit" as const), at, request }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("deliver" as const),
      process,
      which,
      isKept: fc.boolean(),
      fault
    })
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("sweep" as const), process, fault }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), process }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("now" as const), process, at, which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("clock" as const),
      seconds: fc.constantFrom(1, 5, 60, 86_400, -1, -600, -86_400)
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("giveBack" as const), at, how: fc.constantFrom("redrive", "discard") })
  }
)

export type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never
type Fault = Extract<Command, { readonly kind: "sweep" }>["fault"]

export const commands = fc.array(command, { maxLength: 40, size: "max" })

// --- What the commands act on -----------------------------------------------------------------------------------------

export interface Environment {
  /** Separates the tenants of one run from those of other runs on the same store. */
  readonly prefix: string
  /** Lets short waits finish. */
  readonly pass: Effect.Effect<void>
  /** Moves the clock forward or back, if it can be moved. */
  readonly jump: (seconds: number) => Effect.Effect<void>
  readonly firstDelay: Duration.Duration
  /** How the final events are processed: by workers, if the run can give them enough time. */
  readonly recovery: "Workers" | "Turns"
}

const lost = new StoreError({ operation: "A simulation", reason: { _tag: "Unavailable", isRetryable: true } })
const refused = new StoreError({ operation: "A simulation", reason: { _tag: "Refused", isRetryable: false } })

/** One process: its own services, and the faults around its next calls. */
const makeProcess = Effect.fnUntraced(function* (definition: Workflow.Workflow, firstDelay: Duration.Duration) {
  let armed: { readonly fault: NonNullable<Fault>; readonly other: Effect.Effect<void> } | undefined
  const around =
    (point: "claim" | "commit") =>
    <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
      Effect.suspend(() => {
        if (armed?.fault.point !== point) return call
        const { fault: drawn, other } = armed
        armed = undefined
        const happening: Effect.Effect<void, StoreError> = {
          crash: Effect.die("crash"),
          overtake: other,
          submit: other,
          lose: Effect.fail(lost),
          // A store refuses before it writes, never after.
          refuse: drawn.when === "before" ? Effect.fail(refused) : Effect.void
        }[drawn.what]
        return drawn.when === "before" ? Effect.andThen(happening, call) : Effect.tap(call, () => happening)
      })
  const failurePolicy: FailurePolicy.FailurePolicy = {
    maxAttempts: 3,
    firstDelay,
    maxDelay: firstDelay,
    afterLast: "block"
  }
  const built = yield* Layer.build(
    Layer.fresh(
      Sweeper.layer.pipe(
        Layer.provideMerge(servicesWith({ definitions: [definition], failurePolicy, policy: everyThird })),
        Layer.provide(
          changed({
            events: ({ commit }) => ({ commit: (commits) => around("commit")(commit(commits)) }),
            queue: ({ claim }) => ({ claim: (options) => around("claim")(claim(options)) })
          })
        )
      )
    )
  )
  return {
    runtime: Context.get(built, TypeScriptWorkflowRuntime),
    processor: Context.get(built, EventProcessor),
    sweeper: Context.get(built, Sweeper),
    arm: (next: typeof armed) =>
      Effect.sync(() => {
        armed = next
      })
  }
})

const everyThird = { _tag: "Every", eventCount: 3 } as const

type Process = Effect.Success<ReturnType<typeof makeProcess>>

/** The events that a key led to, by id. */
type Uses = Map<string, Set<string>>

// --- The run ----------------------------------------------------------------------------------------------------------

/** Runs the commands on the ports in the context, checks after each, recovers at the end, and checks that nothing is open. */
export const simulate = Effect.fnUntraced(function* (run: ReadonlyArray<Command>, environment: Environment) {
  const { firstDelay, jump, pass, prefix, recovery } = environment
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const queue = yield* WorkflowEventProcessingModel
  const stream = yield* WakeUpChannel
  const partitions = Array.range(0, events.partitionCount - 1)
  const refs = Array.map(places, ({ executionId, tenant }) => ({ tenant: prefix + tenant, executionId }))
  const refAt = (index: number): ExecutionRef => refs[index] ?? refs[0]

  const client = yield* makeProcess(CounterMended, firstDelay)
  const processes: [Process, Process] = [
    yield* makeProcess(Counter, firstDelay),
    yield* makeProcess(Counter, firstDelay)
  ]
  yield* Effect.forEach(refs, (ref) => client.runtime.startWorkflow({ ...ref, workflow: Counter }))

  let pending: ReadonlyArray<Delivery> = []
  const reader = yield* stream.reader
  const refill = Effect.gen(function* () {
    const reading = yield* Effect.forkChild(reader.read({ partitions, limit: 100, timeout: moment }))
    yield* pass
    const { deliveries } = yield* Fiber.join(reading)
    const known = new Set(pending.map((each) => `${each.partition} ${each.deliveryId}`))
    pending = [
      ...pending,
      ...deliveries.filter(
        (each) => each.tenant.startsWith(prefix) && !known.has(`${each.partition} ${each.deliveryId}`)
      )
    ]
  })
  const pick = (index: number): Delivery | undefined => pending[index % Math.max(pending.length, 1)]
  const remove = (delivery: Delivery) =>
    Effect.andThen(
      reader.acknowledge([delivery]),
      Effect.sync(() => {
        pending = pending.filter((each) => each !== delivery)
      })
    )

  const accepted = new Map<string, ExecutionRef>()
  const raced = new Set<string>()
  const uses: Uses = new Map()
  const use = (ref: ExecutionRef, usedKey: string | undefined, eventId: string) => {
    if (usedKey === undefined) return
    const name = `${textOf(ref)} ${usedKey}`
    uses.set(name, (uses.get(name) ?? new Set()).add(eventId))
  }

  const submitting = Effect.fnUntraced(function* (
    ref: ExecutionRef,
    submitted: Submission,
    usedKey: string | undefined
  ) {
    raced.add(textOf(ref))
    const result = yield* Effect.result(
      client.runtime.submitEvent({
        ...ref,
        submission: submitted,
        ...(usedKey === undefined ? {} : { idempotencyKey: usedKey })
      })
    )
    if (result._tag === "Failure") {
      assert.include(["TransitionRejected", "ExecutionComplete", "IdempotencyConflict"], result.failure._tag)
      return
    }
    const log = yield* Stream.runCollect(events.read(ref))
    const event = log[result.success.position - 1]
    assert(event !== undefined)
    use(ref, usedKey, event.event_id)
  })

  /** One pass of a process over some executions. A crash replaces the process with a new one. */
  const turn = Effect.fnUntraced(function* (index: 0 | 1, drawn: Fault, work: (process: Process) => Turning) {
    const own = processes[index]
    const other = processes[1 - index] ?? own
    const touched = drawn?.what === "submit" ? submitting(refAt(0), rival, undefined) : sweeping(other)
    yield* own.arm(drawn === undefined ? undefined : { fault: drawn, other: Effect.orDie(touched) })
    const working = yield* Effect.forkChild(Effect.exit(work(own)))
    // The wait between attempts at a lost connection is at most this long.
    for (let round = 0; round < 20 && working.pollUnsafe() === undefined; round++) yield* pass
    const exit = yield* Fiber.join(working)
    yield* own.arm(undefined)
    const isCrash = exit._tag === "Failure" && exit.cause.reasons.some((each) => each._tag === "Die")
    if (isCrash) {
      assert(
        exit.cause.reasons.every((each) => each._tag !== "Die" || each.defect === "crash"),
        String(exit.cause)
      )
      processes[index] = yield* makeProcess(Counter, firstDelay)
    }
  })

  const sweeping = (own: Process): Turning =>
    Effect.gen(function* () {
      const due = (yield* own.sweeper.find(partitions)).filter((ref) => ref.tenant.startsWith(prefix))
      if (Array.isReadonlyArrayNonEmpty(due)) yield* own.processor.process({ executions: due, limit: 2 })
    })

  const perform = Effect.fnUntraced(function* (each: Command) {
    switch (each.kind) {
      case "enqueue": {
        const ref = refAt(each.at)
        for (const { key: usedKey, submission: queued } of each.requests) {
          const result = yield* Effect.result(
            client.runtime.enqueueEvent({
              ...ref,
              submission: queued,
              ...(usedKey === undefined ? {} : { idempotencyKey: usedKey })
            })
          )
          if (result._tag === "Success") accepted.set(result.success.processingId, ref)
          else assert.include(["ExecutionComplete", "IdempotencyConflict"], result.failure._tag)
        }
        return yield* pass
      }
      case "submit":
        return yield* submitting(refAt(each.at), each.request.submission, each.request.key)
      case "deliver": {
        yield* refill
        const delivery = pick(each.which)
        if (delivery === undefined) return
        const { executionId, tenant } = delivery
        yield* turn(each.process, each.fault, (own) =>
          own.processor.process({ executions: [{ tenant, executionId }], limit: 2 })
        )
        return each.isKept ? undefined : yield* remove(delivery)
      }
      case "sweep":
        return yield* turn(each.process, each.fault, sweeping)
      case "drop": {
        yield* refill
        const delivery = pick(each.which)
        return delivery === undefined ? undefined : yield* remove(delivery)
      }
      case "flush": {
        yield* refill
        return yield* Effect.forEach(pending, remove, { discard: true })
      }
      case "restart":
        processes[each.process] = yield* makeProcess(Counter, firstDelay)
        return
      case "now": {
        const ref = refAt(each.at)
        const entry = (yield* entriesOf(ref))[each.which]
        if (entry === undefined) return
        const { eventId, processingId } = entry
        const asked = processes[each.process].runtime.processQueuedEvent({
          ...ref,
          eventId,
          processingId,
          workerId: "w"
        })
        const first = yield* Effect.result(asked)
        if (first._tag === "Failure") return assert.strictEqual(first.failure._tag, "ExecutionBusy")
        const status = yield* Effect.map(queue.find({ ...ref, processingId }), Option.getOrUndefined)
        if (status?.status._tag === "Pending") return
        return assert.deepStrictEqual(yield* asked, first.success)
      }
      case "clock":
        return yield* jump(each.seconds)
      case "giveBack": {
        const ref = refAt(each.at)
        const dead = (yield* entriesOf(ref)).find(({ status }) => status._tag === "Dead")
        if (dead === undefined) return
        const given = { ...ref, processingId: dead.processingId }
        return yield* each.how === "redrive" ? queue.redrive(given) : queue.discard(given)
      }
    }
  })

  const entriesOf = (ref: ExecutionRef) => Stream.runCollect(queue.list({ ...ref, statuses: every }))

  const settled = new Map<string, QueuedEvent.QueueEntry>()

  /** Checks a newly settled event: if its key has led to an event before, the state may not refuse it. */
  const checkRefusal = Effect.fnUntraced(function* (ref: ExecutionRef, entry: QueuedEvent.QueueEntry) {
    const { idempotencyKey, status } = entry
    if (idempotencyKey === undefined || status._tag !== "Rejected" || status.error === "IdempotencyConflict") return
    const event = yield* events.findByIdempotencyKey({ ...ref, idempotencyKey })
    assert.isTrue(Option.isNone(event), "refused, though its key is in the log")
  })

  /** The invariants that always hold. */
  const check = Effect.gen(function* () {
    const logs = new Map<string, ReadonlyArray<WorkflowEvent>>()
    const found = new Set<string>()
    for (const ref of refs) {
      const log = yield* Stream.runCollect(events.read(ref))
      const entries = yield* entriesOf(ref)
      logs.set(textOf(ref), log)
      for (const { processingId } of entries) found.add(processingId)
      checkLog(log)
      checkQueue(entries, log)
      const header = yield* Effect.flatMap(executions.find(ref), Effect.fromOption)
      assert.strictEqual(header.position, log.length)
      assert.strictEqual(header.currentState, log.at(-1)?.to_state)
      for (const entry of entries) {
        if (log.some((event) => event.event_id === entry.eventId)) use(ref, entry.idempotencyKey, entry.eventId)
        const before = settled.get(entry.processingId)
        if (before !== undefined) assert.deepStrictEqual(entry, before, "a settled entry changed")
        else if (isSettled(entry)) {
          settled.set(entry.processingId, entry)
          yield* checkRefusal(ref, entry)
        }
      }
    }
    for (const processingId of accepted.keys()) assert(found.has(processingId), "an accepted event is lost")
    for (const [name, eventIds] of uses) assert.strictEqual(eventIds.size, 1, `the key ${name} was used twice`)
    let fed = 0
    for (const partition of partitions) {
      const feed = yield* events.readFeed({ partition, after: 0, limit: 1_000_000 })
      assert.deepStrictEqual(
        feed.map((event) => event.offset),
        feed.map((_, index) => index + 1)
      )
      fed += feed.filter((event) => event.tenant.startsWith(prefix)).length
    }
    assert.strictEqual(
      fed,
      [...logs.values()].reduce((total, log) => total + log.length, 0)
    )
    return logs
  })

  for (const each of run) {
    yield* perform(each)
    yield* check
  }

  // Recovers: the definitions no longer throw, and dead letters are redriven.
  const drained = Effect.gen(function* () {
    for (let count = 0; count < 2; count++) yield* startWorker({ services: { definitions: [CounterMended] } })
    for (let second = 0; second < 3; second++) yield* jump(1)
  }).pipe(Effect.scoped)
  const healthy = yield* makeProcess(CounterMended, firstDelay)
  const isQuiet = Effect.gen(function* () {
    const statuses = (yield* Effect.forEach(refs, entriesOf)).flat().map(({ status }) => status._tag)
    return !statuses.includes("Pending") && !statuses.includes("Dead")
  })
  for (let round = 0; round < 200 && !(yield* isQuiet); round++) {
    for (const ref of refs) {
      const dead = (yield* entriesOf(ref)).find(({ status }) => status._tag === "Dead")
      if (dead !== undefined) yield* queue.redrive({ ...ref, processingId: dead.processingId })
    }
    yield* recovery === "Workers" ? drained : sweeping(healthy)
    // If the clock jumped back, a retry becomes due when the clock reaches its time again.
    yield* jump(day)
  }
  const logs = yield* check
  assert.isTrue(yield* isQuiet, "something was never settled")

  // If only the queue changed an execution, its state is the queue applied in order.
  for (const ref of refs) {
    const entries = yield* entriesOf(ref)
    const state = yield* healthy.runtime.getExecutionState(ref)
    const log = logs.get(textOf(ref)) ?? []
    assert.deepStrictEqual(state.data, { sum: modelOf(log.map(toSubmission)).sum })
    if (raced.has(textOf(ref))) continue
    const applied: Array<Submission> = []
    for (const entry of entries) {
      if (entry.status._tag === "Discarded") continue
      const wasAccepted = isAccepted(modelOf(applied), entry.submission)
      assert.strictEqual(entry.status._tag, wasAccepted ? "Applied" : "Rejected")
      if (wasAccepted) applied.push(entry.submission)
    }
    assert.deepStrictEqual(
      log.slice(1).map((event) => event.payload),
      applied.map((each) => each.payload)
    )
  }
  return { entryCount: accepted.size }
})

type Turning = Effect.Effect<unknown, StoreError>

const day = 86_400

const moment = Duration.millis(1)

const rival: Submission = { event_name: "Added", payload: { by: 1 } }

const every = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

const textOf = ({ executionId, tenant }: ExecutionRef) => `${tenant} ${executionId}`

const toSubmission = ({ event_name, payload }: WorkflowEvent): Submission => ({
  event_name,
  ...(payload === undefined ? {} : { payload })
})

const isSettled = ({ status }: QueuedEvent.QueueEntry) => status._tag !== "Pending" && status._tag !== "Dead"

const checkLog = (log: ReadonlyArray<WorkflowEvent>) => {
  assert.deepStrictEqual(
    log.map((event) => event.position),
    log.map((_, index) => index + 1)
  )
  assert.strictEqual(new Set(log.map((event) => event.event_id)).size, log.length, "an event is in the log twice")
  for (const [index, event] of log.entries()) assert.isTrue(event.created_at >= (log[index - 1]?.created_at ?? ""))
}

const checkQueue = (entries: ReadonlyArray<QueuedEvent.QueueEntry>, log: ReadonlyArray<WorkflowEvent>) => {
  assert.deepStrictEqual(
    entries.map((entry) => entry.queuePosition),
    entries.map((_, index) => index + 1)
  )
  const firstOpen = entries.findIndex((entry) => !isSettled(entry))
  if (firstOpen >= 0) assert.isFalse(entries.slice(firstOpen).some(isSettled), "settled out of order")
  let last = 0
  for (const { eventId, status, submission: asked } of entries) {
    const position = log.findIndex((event) => event.event_id === eventId) + 1
    if (status._tag !== "Applied") {
      assert.strictEqual(position, 0, `${status._tag}, but in the log`)
      continue
    }
    const event = log[status.position - 1]
    assert.deepStrictEqual(event?.payload, asked.payload)
    assert.deepInclude(event, { from_state: status.previousState, to_state: status.currentState })
    // A submission with the same key settled it, so its event may be anywhere in the log.
    if (status.actionsExecuted.length === 0) {
      assert.strictEqual(position, 0)
      continue
    }
    assert.strictEqual(position, status.position)
    assert.isAbove(position, last, "applied out of order")
    last = position
  }
}
