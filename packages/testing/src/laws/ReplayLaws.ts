/** Laws about replay: pauses, redelivery, snapshots, and bounds in time. */
import type { Workflow } from "@refold/core"
import { Instant, Json, Replay, Snapshot, type WorkflowEvent } from "@refold/core"
import { Effect, Result, Stream } from "effect"
import fc from "fast-check"
import type { State } from "./Assertions.ts"
import { cut, law, showData, within } from "./Law.ts"

export const fold = law(
  "fold",
  "a replay that pauses anywhere and resumes equals the replay of the whole log, in chunks of any size",
  (setup) => fc.tuple(cut(setup), fc.integer({ min: 1, max: 5 })),
  (assertions, log, [chosen, chunkSize]) => {
    const { workflow } = assertions
    const { events } = log
    const at = within(chosen, log)
    const whole = assertions.fold(undefined, events)
    const paused = assertions.fold(undefined, events.slice(0, at))
    const shown = showData(workflow, paused)
    assertions.equal(`resumed after position ${at}`, whole, assertions.fold(paused, events.slice(at)), [at])
    assertions.equal(
      `the state at position ${at} does not change after it was returned`,
      shown,
      showData(workflow, paused),
      [at]
    )
    assertions.equal(`replay to position ${at}`, paused, assertions.fold(undefined, events, { to: at }), [at])
    const streamed = Replay.foldStream(workflow, paused, Stream.rechunk(Stream.fromIterable(events), chunkSize))
    assertions.equal(
      `streamed in chunks of ${chunkSize} after position ${at}`,
      whole,
      assertions.folded(() => Effect.runSync(Effect.result(streamed))),
      [at]
    )
    const stepwise = events.reduce<State>(
      (state, event) => assertions.folded(() => Replay.evolve(workflow, state, event)),
      undefined
    )
    assertions.equal("evolved event by event", whole, stepwise)
  }
)

export const idempotence = law(
  "idempotence",
  "events that are delivered again, in any order and at any time, change nothing",
  (setup) => fc.array(fc.tuple(cut(setup), fc.nat()), { maxLength: 12 }),
  (assertions, { events }, redeliveries) => {
    const whole = assertions.fold(undefined, events)
    const delivered = events.flatMap((event, index) => [
      event,
      ...redeliveries
        .filter(([after]) => after === index)
        .flatMap(([, again]) => events.slice(again % (index + 1), (again % (index + 1)) + 1))
    ])
    const order = delivered.map((event) => event.position).join(", ")
    assertions.equal(`delivered as ${order}`, whole, assertions.fold(undefined, delivered))
    assertions.equal("the whole log delivered again", whole, assertions.fold(whole, events))
    assertions.equal("the whole log delivered again, backwards", whole, assertions.fold(whole, events.toReversed()))
  }
)

export const snapshots = law(
  "snapshots",
  "a replay from a snapshot equals the replay without it, in every field and to every bound",
  (setup) => fc.tuple(fc.array(cut(setup), { maxLength: 8 }), policy, retention, cut(setup)),
  (assertions, log, [chosen, chosenPolicy, chosenRetention, bound]) => {
    const { events } = log
    const cuts = chosen.map((each) => within(each, log))
    const to = within(bound, log)
    const stored = new Map<number, Snapshot.Snapshot>()
    const conditions = `policy ${JSON.stringify(chosenPolicy)}, retention ${JSON.stringify(chosenRetention)}, cuts ${cuts.join(", ")}`
    for (const at of cuts) {
      const paused = bestUsable(assertions.workflow, stored.values(), { to: at })
      const state = assertions.fold(paused, after(events, paused), { to: at })
      if (state === undefined || !Snapshot.isDue(chosenPolicy, paused ?? Snapshot.origin, state)) continue
      const snapshot = assertions.snapshot(state)
      // Some stores do not keep the order of keys: `jsonb` is one.
      stored.set(state.position, { ...snapshot, data: JSON.parse(Json.canonical(snapshot.data)) })
      for (const position of Snapshot.toPrune(chosenRetention, [...stored.keys()])) stored.delete(position)
    }
    for (const bounds of [...boundsOf(events), ...boundsOf(events).map((each) => ({ to, ...each }))]) {
      const paused = bestUsable(assertions.workflow, stored.values(), bounds)
      // Without a snapshot to start from, the two replays are the same call.
      if (paused === undefined) continue
      assertions.equal(
        `replay ${JSON.stringify(bounds)} from the snapshot at ${paused.position} (${conditions})`,
        assertions.fold(undefined, events, bounds),
        assertions.fold(paused, after(events, paused), bounds),
        [paused.position]
      )
    }
  }
)

/** The state of the newest snapshot that a replay to the bounds may start from. */
const bestUsable = (workflow: Workflow.Workflow, stored: Iterable<Snapshot.Snapshot>, bounds: Replay.Bounds): State => {
  let best: State
  for (const snapshot of stored) {
    const isWithin =
      snapshot.position <= (bounds.to ?? Number.POSITIVE_INFINITY) &&
      (bounds.until === undefined || snapshot.updated_at <= bounds.until)
    const state = isWithin ? Result.getOrUndefined(Snapshot.restore(workflow, snapshot)) : undefined
    if (state !== undefined && state.position > (best?.position ?? 0)) best = state
  }
  return best
}

const after = (events: ReadonlyArray<WorkflowEvent>, state: State): ReadonlyArray<WorkflowEvent> =>
  events.filter((event) => event.position > (state?.position ?? 0))

export const temporal = law(
  "temporal",
  "the state at an instant is the fold of the events up to it; positions never decrease with time, and later events do not change it",
  cut,
  (assertions, log, chosen) => {
    const { events } = log
    const length = within(chosen, log)
    const earlier = events.slice(0, length)
    const next = events[length]
    let previous = 0
    for (const until of instantsOf(events)) {
      const state = assertions.fold(undefined, events, { until })
      const upToThen = events.filter((event) => event.created_at <= until)
      assertions.equal(
        `the state at ${until} is the fold of the events up to then`,
        assertions.fold(undefined, upToThen),
        state,
        [upToThen.length]
      )
      const position = state?.position ?? 0
      assertions.equal(`the position at ${until} is not before that of an earlier instant`, true, position >= previous)
      previous = position
      // Answers are about the past: a store stamps the next event after every instant that was asked about.
      if (next !== undefined && next.created_at <= until) continue
      assertions.equal(
        `the state at ${until}, asked when the log had ${earlier.length} events`,
        assertions.fold(undefined, earlier, { until }),
        state,
        [length]
      )
    }
  }
)

/** The instants of a log, and those one millisecond before and after, in order and without duplicates. */
const instantsOf = (events: ReadonlyArray<WorkflowEvent>): ReadonlyArray<Instant.Instant> => {
  const near = events.flatMap((event) => {
    const millis = Instant.toEpochMillis(event.created_at)
    return [millis - 1, millis, millis + 1].map(Instant.fromEpochMillis)
  })
  return [...new Set(near)].toSorted()
}

const boundsOf = (events: ReadonlyArray<WorkflowEvent>): ReadonlyArray<Replay.Bounds> => [
  {},
  { to: 0 },
  ...events.map((event) => ({ to: event.position })),
  ...instantsOf(events).map((until) => ({ until }))
]

const policy: fc.Arbitrary<Snapshot.SnapshotPolicy> = fc.letrec<{ policy: Snapshot.SnapshotPolicy }>((tie) => ({
  policy: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.record({ _tag: fc.constant("Every" as const), eventCount: fc.integer({ min: 1, max: 6 }) }),
    fc.constantFrom<Snapshot.SnapshotPolicy>({ _tag: "OnComplete" }, { _tag: "Never" }),
    fc.record({ _tag: fc.constant("AnyOf" as const), policies: fc.array(tie("policy"), { maxLength: 3 }) })
  )
})).policy

const retention: fc.Arbitrary<Snapshot.Retention> = fc.oneof(
  fc.constant({ _tag: "KeepAll" as const }),
  fc.record({ _tag: fc.constant("KeepLast" as const), count: fc.integer({ min: 1, max: 4 }) })
)
