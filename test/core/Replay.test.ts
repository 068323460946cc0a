import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import fc from "fast-check"
import { type ExecutionState, Replay, Workflow, type WorkflowEvent } from "@refold/core"
import { definitionAndLog } from "../arbitraries/Log.ts"
import { Invoice, addedLog, eventAt, startedEvent } from "./Invoice.ts"

const folded = (events: ReadonlyArray<WorkflowEvent>, bounds?: Replay.Bounds) =>
  Result.getOrThrow(Replay.fold(Invoice, undefined, events, bounds))

const corrupt = (
  events: ReadonlyArray<WorkflowEvent>,
  from?: ExecutionState.ExecutionState<Workflow.DataOf<typeof Invoice>>
) => Result.getOrThrow(Result.flip(Replay.fold(Invoice, from, events)))

describe("Replay.fold", () => {
  it("gives every field of the state", () => {
    assert.deepStrictEqual(folded(addedLog(3)), {
      tenant: "acme",
      executionId: "invoice-1",
      workflow: { name: "invoice", version: 1 },
      currentState: "Draft",
      data: { cents: 15 },
      position: 4,
      isComplete: false,
      startedAt: "2025-03-01T12:00:01.000Z",
      updatedAt: "2025-03-01T12:00:04.000Z"
    })
  })

  it("takes the state from the event and evaluates no guard: what happened, happened", () => {
    const payment = { event_name: "Paid", payload: { at: "2025-03-01T12:00:00.000Z" }, schema_version: 1 }
    const state = folded([startedEvent, eventAt(2, { ...payment, to_state: "Audited" })])
    assert.strictEqual(state?.currentState, "Audited")
    assert.isFalse(state?.isComplete)
    assert.isTrue(folded([startedEvent, eventAt(2, { ...payment, to_state: "Paid" })])?.isComplete)
  })

  it("gives back the very state it was given when nothing new comes", () => {
    const state = folded(addedLog(3))
    assert.strictEqual(Result.getOrThrow(Replay.fold(Invoice, state, addedLog(3))), state)
    assert.isUndefined(folded([]))
  })

  it("goes on from a state as if it had folded all that came before, in every field", () => {
    const events = addedLog(3)
    assert.deepStrictEqual(Result.getOrThrow(Replay.fold(Invoice, folded(events, { to: 2 }), events)), folded(events))
  })

  it("ends at a position, at an instant, or at whichever comes first", () => {
    const events = addedLog(9)
    assert.strictEqual(folded(events, { to: 4 })?.position, 4)
    assert.strictEqual(folded(events, { to: 99 })?.position, 10)
    assert.isUndefined(folded(events, { to: 0 }))
    assert.strictEqual(folded(events, { until: "2025-03-01T12:00:05.000Z" })?.position, 5)
    assert.strictEqual(folded(events, { until: "2025-03-01T12:00:05.999Z" })?.position, 5)
    assert.isUndefined(folded(events, { until: "2025-03-01T12:00:00.999Z" }))
    assert.strictEqual(folded(events, { to: 4, until: "2025-03-01T12:00:05.000Z" })?.position, 4)
    assert.strictEqual(folded(events, { to: 7, until: "2025-03-01T12:00:05.000Z" })?.position, 5)
  })

  it("takes all events of the last instant", () => {
    const at = { created_at: "2025-03-01T12:00:02.000Z" }
    const events = [startedEvent, eventAt(2, at), eventAt(3, at), eventAt(4)]
    assert.strictEqual(folded(events, { until: at.created_at })?.position, 3)
  })

  it("skips events already folded, wherever they come again", () => {
    const [first, second, third] = addedLog(2)
    assert.isDefined(first)
    assert.isDefined(second)
    assert.isDefined(third)
    assert.deepStrictEqual(folded([first, first, second, first, third, second, third]), folded(addedLog(2)))
  })

  it("needs a start with data where the definition leaves fields to it, whatever comes first", () => {
    const Part = Workflow.make({
      ...Invoice.options,
      data: Schema.Struct({ cents: Schema.Int, paidAt: Schema.DateTimeUtcFromString }),
      initial: { state: "Draft", data: { cents: 0 } },
      evolve: { Added: (data, { cents }) => ({ ...data, cents: data.cents + cents }) }
    })
    const fold = (events: ReadonlyArray<WorkflowEvent>) => Replay.fold(Part, undefined, events)
    const payload = { cents: 1, paidAt: "2025-03-01T12:00:00.000Z" }
    const started = { ...startedEvent, payload }
    assert.strictEqual(Result.getOrThrow(fold([started, eventAt(2)]))?.data.cents, 6)
    assert.isUndefined(Result.getOrThrow(fold([])))
    const { payload: _payload, ...bare } = startedEvent
    for (const first of [bare, eventAt(1), eventAt(1, { event_name: "Cancelled" })]) {
      const broken = Result.getOrThrow(Result.flip(fold([first, eventAt(2)])))
      assert.strictEqual(
        broken.message,
        `The log of execution "invoice-1" breaks at position 1: no data precedes it: the definition leaves paidAt to the event that starts the execution`
      )
    }
    const [first, second] = [started, eventAt(2)]
    const streamed = Effect.runSync(Replay.foldStream(Part, undefined, Stream.make(first, second)))
    assert.deepStrictEqual(streamed, Result.getOrThrow(fold([first, second])))
  })

  it("changes neither the state it goes on from nor the one it handed out", () => {
    const log = Workflow.open("log")
    const payload = (position: number) =>
      eventAt(position, { payload: { [`k${position}`]: position }, schema_version: 1 })
    const paused = Result.getOrThrow(Replay.fold(log, undefined, [payload(1), payload(2)]))
    const on = Result.getOrThrow(Replay.fold(log, paused, [payload(3)]))
    assert.deepStrictEqual(paused?.data, { k1: 1, k2: 2 })
    assert.deepStrictEqual(on?.data, { k1: 1, k2: 2, k3: 3 })
    assert.deepStrictEqual(log.initial.data, {})
  })
})

describe("A corrupt history", () => {
  it("is a gap, named by the position after it", () => {
    const error = corrupt([startedEvent, eventAt(3)])
    assert.strictEqual(error._tag, "CorruptHistory")
    assert.strictEqual(error.position, 3)
    assert.strictEqual(error.message, `The log of execution "invoice-1" breaks at position 3: it follows position 1`)
    assert.strictEqual(corrupt([eventAt(2)]).position, 2)
    assert.strictEqual(corrupt([eventAt(7)], folded(addedLog(4))).position, 7)
  })

  it("is an event of another tenant or another execution, also at a position already folded", () => {
    const reason = /breaks at position 2: it is an event of another execution$/
    assert.match(corrupt([startedEvent, eventAt(2, { tenant: "other" })]).message, reason)
    assert.match(corrupt([startedEvent, eventAt(2, { execution_id: "invoice-2" })]).message, reason)
    assert.match(corrupt([eventAt(2, { tenant: "other" })], folded(addedLog(4))).message, reason)
    assert.match(corrupt([eventAt(2, { execution_id: "invoice-2" })], folded(addedLog(4))).message, reason)
  })

  it("is a payload of a version that this definition does not know", () => {
    const error = corrupt([startedEvent, eventAt(2, { schema_version: 3 })])
    assert.strictEqual(error.position, 2)
    assert.match(error.message, /its payload has schema version 3, but this definition knows versions up to 2$/)
  })

  it("is a payload or first data that no version reads", () => {
    const unreadable = eventAt(2, { event_name: "Paid", payload: { at: "noon" }, schema_version: 1 })
    assert.match(
      corrupt([startedEvent, unreadable]).message,
      /breaks at position 2: its payload\/at is refused by its schema/
    )
    assert.match(
      corrupt([{ ...startedEvent, payload: { cents: "0" } }]).message,
      /breaks at position 1: its payload\/cents/
    )
  })

  it("still replays to the position before it", () => {
    const events = [startedEvent, eventAt(2), eventAt(4)]
    assert.strictEqual(folded(events, { to: 2 })?.position, 2)
  })

  it("breaks a stream with the same error", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const error = yield* Effect.flip(Replay.foldStream(Invoice, undefined, Stream.make(startedEvent, eventAt(3))))
        assert.deepStrictEqual({ ...error }, { ...corrupt([startedEvent, eventAt(3)]) })
      })
    ))
})

describe("Replay.foldStream", () => {
  it("changes not the state it goes on from, also where the first of its batches brings nothing new", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const log = Workflow.open("log")
        const event = (position: number) =>
          eventAt(position, { payload: { [`k${position}`]: position }, schema_version: 1 })
        const paused = Result.getOrThrow(Replay.fold(log, undefined, [event(1), event(2)]))
        const on = yield* Replay.foldStream(log, paused, Stream.rechunk(Stream.make(event(1), event(2), event(3)), 2))
        assert.deepStrictEqual(on?.data, { k1: 1, k2: 2, k3: 3 })
        assert.deepStrictEqual(paused?.data, { k1: 1, k2: 2 })
      })
    ))

  it("is fold, whatever the chunks and the bounds", () =>
    fc.assert(
      fc.property(
        definitionAndLog,
        fc.integer({ min: 1, max: 4 }),
        fc.nat({ max: 14 }),
        fc.nat({ max: 14 }),
        ({ events, workflow }, chunkSize, to, place) => {
          const until = events[place]?.created_at
          const bounds = { to, ...(until === undefined ? {} : { until }) }
          const stream = Stream.rechunk(Stream.fromIterable(events), chunkSize)
          assert.deepStrictEqual(
            Effect.runSync(Replay.foldStream(workflow, undefined, stream, bounds)),
            Result.getOrThrow(Replay.fold(workflow, undefined, events, bounds))
          )
        }
      ),
      { numRuns: 1000 }
    ))

  it("starts afresh each time it is run, with nothing left of the run before", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const lengths = [5, 3]
        const shrinking = Stream.suspend(() => Stream.fromIterable(addedLog(lengths.shift() ?? 0)))
        const replay = Replay.foldStream(Invoice, undefined, shrinking)
        assert.deepStrictEqual(yield* replay, folded(addedLog(5)))
        assert.deepStrictEqual(yield* replay, folded(addedLog(3)))
      })
    ))
})

describe("Replay.evolve", () => {
  it("ignores what is folded already and refuses what does not follow", () => {
    const state = folded(addedLog(2))
    assert.strictEqual(Result.getOrThrow(Replay.evolve(Invoice, state, eventAt(2))), state)
    assert.strictEqual(Result.getOrThrow(Replay.evolve(Invoice, state, eventAt(4)))?.position, 4)
    assert.isTrue(Result.isFailure(Replay.evolve(Invoice, state, eventAt(5))))
  })

  it("hands the event to the handler", () => {
    const audited = Workflow.make({
      name: "audited",
      events: { Added: Schema.Struct({}) },
      data: Schema.Struct({ by: Schema.Array(Schema.String) }),
      initial: { state: "Open", data: { by: [] } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, _payload, event) => ({ by: [...data.by, `${event.user_id}@${event.created_at}`] }) }
    })
    const state = Replay.evolve(audited, undefined, eventAt(1, { user_id: "ann", schema_version: 1 }))
    assert.deepStrictEqual(Result.getOrThrow(state)?.data, { by: ["ann@2025-03-01T12:00:01.000Z"] })
  })
})
