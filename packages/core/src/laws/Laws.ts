/**
 * The laws of a definition, as checks on logs generated from it: each throws when fast-check finds a log that breaks it.
 *
 * **Details**
 *
 * The numbers are those of the laws in the design. Law 6, delivery, is one of adapters and workers; it is not here.
 */
import { Effect, Equal, Result, Schema, Stream } from "effect"
import fc from "fast-check"
import * as Decision from "../Decision.ts"
import type { ExecutionState } from "../ExecutionState.ts"
import * as Instant from "../Instant.ts"
import * as Json from "../Json.ts"
import * as Replay from "../Replay.ts"
import * as Snapshot from "../Snapshot.ts"
import * as Upcast from "../Upcast.ts"
import type { EventSchemas, Workflow } from "../Workflow.ts"
import type { WorkflowEvent } from "../WorkflowEvent.ts"
import { type Generators, type Log, defaultStepCount, describe, logs } from "./LogArbitrary.ts"

/** What is generated, and how often: fast-check's own run options. */
export interface LawOptions<Events extends EventSchemas = EventSchemas>
  extends Generators<Events>, Pick<fc.Parameters, "numRuns" | "seed" | "path" | "endOnFailure" | "verbose"> {}

/** A log on which a law does not hold. fast-check reports the smallest one it finds. */
export class LawBroken extends Schema.TaggedError<LawBroken>()("LawBroken", {
  law: Schema.String,
  claim: Schema.String,
  expected: Schema.String,
  actual: Schema.String,
  log: Schema.String
}) {
  override get message(): string {
    return `${this.law}: ${this.claim}\nexpected ${this.expected}\nactual   ${this.actual}\nlog\n${this.log}`
  }
}

/** Every law of a definition, one after the other. */
export const checkWorkflow = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void => {
  checkFold(workflow, options)
  checkIdempotence(workflow, options)
  checkSnapshots(workflow, options)
  checkTemporal(workflow, options)
  checkDecisions(workflow, options)
  checkUpcasts(workflow, options)
  checkDataRoundTrip(workflow, options)
  checkPurity(workflow, options)
}

/** Law 1: replay(a ++ b) = replay from replay(a) over b, whatever the chunks the events come in. */
export const checkFold = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog(
    "Law 1 (fold)",
    workflow,
    options,
    fc.tuple(cut(options), fc.integer({ min: 1, max: 5 })),
    (claims, { events }, [at, chunkSize]) => {
      const whole = claims.fold(undefined, events)
      const paused = claims.fold(undefined, events.slice(0, at))
      const pausedText = claims.show(paused)
      claims.same(`resumed after position ${at}`, whole, claims.fold(paused, events.slice(at)))
      claims.equal(`the state at position ${at} stays as it was handed out`, pausedText, claims.show(paused))
      claims.same(`replay to position ${at}`, paused, claims.fold(undefined, events, { to: at }))
      const streamed = Replay.foldStream(workflow, paused, Stream.rechunk(Stream.fromIterable(events), chunkSize))
      claims.same(
        `streamed in chunks of ${chunkSize} after position ${at}`,
        whole,
        claims.folded(Effect.runSync(Effect.result(streamed)))
      )
      const stepwise = events.reduce<ExecutionState<Data> | undefined>(
        (state, event) => claims.folded(Replay.evolve(workflow, state, event)),
        undefined
      )
      claims.same("evolved event by event", whole, stepwise)
    }
  )

/** Law 2: events delivered again, in any order and at any time, change nothing. */
export const checkIdempotence = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog(
    "Law 2 (idempotence)",
    workflow,
    options,
    fc.array(fc.tuple(cut(options), fc.nat()), { maxLength: 12 }),
    (claims, { events }, redeliveries) => {
      const whole = claims.fold(undefined, events)
      const delivered = events.flatMap((event, place) => [
        event,
        ...redeliveries
          .filter(([after]) => after === place)
          .flatMap(([, again]) => events.slice(again % (place + 1), (again % (place + 1)) + 1))
      ])
      const order = delivered.map((event) => event.position).join(", ")
      claims.same(`delivered as ${order}`, whole, claims.fold(undefined, delivered))
      claims.same("the whole log delivered again", whole, claims.fold(whole, events))
      claims.same("the whole log delivered again, backwards", whole, claims.fold(whole, events.toReversed()))
    }
  )

/** Law 3: snapshots taken at any cuts, under any policy and retention, change no replay to any bound in any field. */
export const checkSnapshots = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog(
    "Law 3 (snapshot equivalence)",
    workflow,
    options,
    fc.tuple(fc.array(cut(options), { maxLength: 8 }), policy, retention, cut(options)),
    (claims, { events }, [cuts, chosenPolicy, chosenRetention, to]) => {
      const stored = new Map<number, Snapshot.Snapshot>()
      const how = `policy ${JSON.stringify(chosenPolicy)}, retention ${JSON.stringify(chosenRetention)}, cuts ${cuts.join(", ")}`
      for (const at of cuts) {
        const paused = bestUsable(workflow, stored.values(), { to: at })
        const state = claims.fold(paused, after(events, paused), { to: at })
        if (state === undefined || !Snapshot.isDue(chosenPolicy, paused ?? Snapshot.origin, state)) continue
        stored.set(state.position, asStored(claims.snapshot(state)))
        for (const position of Snapshot.toPrune(chosenRetention, [...stored.keys()])) stored.delete(position)
      }
      for (const bounds of [...boundsOf(events), ...boundsOf(events).map((each) => ({ to, ...each }))]) {
        const paused = bestUsable(workflow, stored.values(), bounds)
        claims.same(
          `replay ${JSON.stringify(bounds)} from the snapshot at ${paused?.position ?? "none"} (${how})`,
          claims.fold(undefined, events, bounds),
          claims.fold(paused, after(events, paused), bounds)
        )
      }
    }
  )

/** Law 4: the state at t is the fold of the events with `created_at` ≤ t; it is monotone, and later appends never change it. */
export const checkTemporal = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog("Law 4 (temporal)", workflow, options, cut(options), (claims, { events }, length) => {
    const earlier = events.slice(0, length)
    const next = events[length]
    let previous = 0
    for (const until of instantsOf(events)) {
      const state = claims.fold(undefined, events, { until })
      const upToThen = events.filter((event) => event.created_at <= until)
      claims.same(`state at ${until} is the fold of the events up to then`, claims.fold(undefined, upToThen), state)
      const position = state?.position ?? 0
      claims.equal(`position at ${until} is not before that of an earlier instant`, true, position >= previous)
      previous = position
      // An answer is given about the past: the next event was stamped after the instant asked for.
      if (next !== undefined && next.created_at <= until) continue
      claims.same(
        `state at ${until}, asked when the log had ${earlier.length} events`,
        claims.fold(undefined, earlier, { until }),
        state
      )
    }
  })

/** Law 5: what decide accepts, evolve folds to the announced state; what it rejects leaves no trace. */
export const checkDecisions = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog("Law 5 (decide and evolve agree)", workflow, options, nothingElse, (claims, { attempts, events }) => {
    const whole = claims.fold(undefined, events)
    for (const { before, submission, ...tried } of attempts) {
      const decision = tried.decision ?? Decision.decide(workflow, before, submission)
      const what = `${submission.event_name} at position ${before.position}`
      claims.same(
        `${what} was decided on the fold of the log so far`,
        claims.fold(undefined, events, { to: before.position }),
        before
      )
      if (Result.isFailure(decision)) continue
      const [decided] = decision.success.events
      const event = events[before.position]
      const evolved = claims.fold(before, event === undefined ? [] : [event])
      claims.equal(`${what}: from_state is the state it was decided on`, before.currentState, decided.from_state)
      claims.equal(`${what}: evolve goes to to_state`, decided.to_state, evolved?.currentState)
      claims.equal(`${what}: one position further`, before.position + 1, evolved?.position)
      claims.equal(
        `${what}: complete in a final state only`,
        workflow.finalStates.has(decided.to_state),
        evolved?.isComplete
      )
      claims.equal(
        `${what}: a complete execution accepts nothing`,
        true,
        evolved?.isComplete !== true || Result.isFailure(Decision.decide(workflow, evolved, submission))
      )
    }
    const accepted = attempts.filter(({ decision }) => decision !== undefined && Result.isSuccess(decision))
    claims.equal("one event for each accepted submission, and the first", events.length, accepted.length + 1)
    claims.equal("the log ends where its last event says", events.at(-1)?.to_state, whole?.currentState)
  })

/** Law 7: upcasting commutes with folding; a snapshot never survives a fold it does not belong to. */
export const checkUpcasts = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void => {
  for (const [eventName, event] of Object.entries(workflow.events)) {
    const given = new Map(Object.entries(options.oldPayloads ?? {})).get(eventName)?.length ?? 0
    const missing = Upcast.upcastersOf(event).length - given
    if (missing !== 0) {
      throw new Error(
        `Law 7 needs payloads of every older version of ${eventName}: give ${Upcast.upcastersOf(event).length} arbitraries by \`oldPayloads\`, not ${given}`
      )
    }
  }
  forEveryLog("Law 7 (upcast)", workflow, options, cut(options), (claims, { attempts, events }, at) => {
    for (const { decision, oldVersion, submission } of attempts) {
      if (oldVersion === undefined || decision === undefined || Result.isSuccess(decision)) continue
      const { _tag, message } = decision.failure
      const what = `a payload of ${submission.event_name}, version ${oldVersion}, upcast to ${fc.stringify(submission.payload)}`
      claims.equal(
        what,
        "accepted by the current schema",
        _tag === "PayloadInvalid" ? message : "accepted by the current schema"
      )
    }
    const whole = claims.fold(undefined, events)
    claims.same("upcast first, then folded", claims.fold(undefined, events.map(upcast(workflow))), whole)
    const paused = claims.fold(undefined, events, { to: at })
    if (paused === undefined) return
    const snapshot = claims.snapshot(paused)
    const foreign = { ...snapshot, fingerprint: `${snapshot.fingerprint}, changed` }
    const damaged = { ...snapshot, current_state: `${snapshot.current_state}, changed` }
    for (const [reason, unusable] of [
      ["OtherFold", foreign],
      ["Damaged", damaged]
    ] as const) {
      claims.equal(
        `the snapshot at ${at} is not used`,
        reason,
        Result.match(Snapshot.restore(workflow, unusable), { onFailure: String, onSuccess: claims.show })
      )
    }
  })
}

/** Every state's data survives its JSON, and a log its own. */
export const checkDataRoundTrip = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog("JSON round trip", workflow, options, nothingElse, (claims, { events }) => {
    for (const { position } of events) {
      const state = claims.fold(undefined, events, { to: position })
      if (state === undefined) continue
      const back = Snapshot.restore(workflow, asStored(claims.snapshot(state)))
      claims.same(`data at position ${position}`, state, Result.getOrUndefined(back))
    }
    const read: ReadonlyArray<WorkflowEvent> = JSON.parse(JSON.stringify(events))
    claims.same("the log read back", claims.fold(undefined, events), claims.fold(undefined, read))
  })

/** Guards, handlers and upcasters give the same for the same, and leave frozen arguments as they are. */
export const checkPurity = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events> = {}
): void =>
  forEveryLog("Purity", workflow, options, nothingElse, (claims, { attempts, events }) => {
    let state: ExecutionState<Data> | undefined
    for (const event of deepFreeze(events)) {
      const before = deepFreeze(state)
      const text = claims.show(before)
      state = claims.fold(before, [event])
      claims.same(`position ${event.position} evolved twice`, state, claims.fold(before, [event]))
      claims.equal(
        `the state that position ${event.position} is folded into is left as it was`,
        text,
        claims.show(before)
      )
    }
    for (const { before, decision, submission } of attempts) {
      const again = Decision.decide(workflow, deepFreeze(before), deepFreeze(submission))
      claims.equal(`${submission.event_name} at position ${before.position} decided twice`, decision, again)
    }
  })

/** Holds a law to logs of the definition, each with something else that the law is about. */
const forEveryLog = <State extends string, Data, Events extends EventSchemas, Else>(
  law: string,
  workflow: Workflow<State, Data, Events>,
  options: LawOptions<Events>,
  others: fc.Arbitrary<Else>,
  hold: (claims: Claims<Data>, log: Log<Data>, other: Else) => void
): void =>
  fc.assert(
    fc.property(logs(workflow, options), others, (log, other) => hold(claimsOf(law, workflow, log.events), log, other)),
    options
  )

const nothingElse = fc.constant(undefined)

/** How many events are folded before something happens; beyond the log's end it is the end. */
const cut = (generators: Pick<Generators, "maxStepCount">): fc.Arbitrary<number> =>
  fc.nat({ max: (generators.maxStepCount ?? defaultStepCount) + 1 })

const policy: fc.Arbitrary<Snapshot.SnapshotPolicy> = fc.letrec<{ policy: Snapshot.SnapshotPolicy }>((tie) => ({
  policy: fc.oneof(
    { maxDepth: 2 },
    fc.record({ _tag: fc.constant("Every" as const), eventCount: fc.integer({ min: 1, max: 6 }) }),
    fc.constantFrom<Snapshot.SnapshotPolicy>({ _tag: "OnComplete" }, { _tag: "Never" }),
    fc.record({ _tag: fc.constant("AnyOf" as const), policies: fc.array(tie("policy"), { maxLength: 3 }) })
  )
})).policy

const retention: fc.Arbitrary<Snapshot.Retention> = fc.oneof(
  fc.constant({ _tag: "KeepAll" as const }),
  fc.record({ _tag: fc.constant("KeepLast" as const), count: fc.integer({ min: 1, max: 4 }) })
)

/** Claims about one log; one that does not hold throws {@link LawBroken}. */
const claimsOf = <State extends string, Data>(
  law: string,
  workflow: Workflow<State, Data>,
  events: ReadonlyArray<WorkflowEvent>
) => {
  const broken = (claim: string, expected: string, actual: string) =>
    new LawBroken({ law, claim, expected, actual, log: describe(events) })
  const claims = {
    /** The state with its data as JSON, which shows what an instance holds and not what it caches. */
    show: (state: ExecutionState<Data> | undefined): string =>
      state === undefined
        ? "no state"
        : fc.stringify({
            ...state,
            data: Result.getOrElse(workflow.encodeData(state.data), ({ path, problem }) => `data${path} ${problem}`)
          }),
    equal: (claim: string, expected: unknown, actual: unknown): void => {
      if (!Equal.equals(expected, actual)) throw broken(claim, fc.stringify(expected), fc.stringify(actual))
    },
    same: (claim: string, expected: ExecutionState<Data> | undefined, actual: ExecutionState<Data> | undefined) => {
      if (!Equal.equals(expected, actual)) throw broken(claim, claims.show(expected), claims.show(actual))
    },
    folded: (result: Result.Result<ExecutionState<Data> | undefined, Replay.CorruptHistory>) =>
      Result.getOrThrowWith(result, (corrupt) => broken("the log folds", "a state", corrupt.message)),
    fold: (from: ExecutionState<Data> | undefined, folded: ReadonlyArray<WorkflowEvent>, bounds: Replay.Bounds = {}) =>
      claims.folded(Replay.fold(workflow, from, folded, bounds)),
    snapshot: (state: ExecutionState<Data>): Snapshot.Snapshot =>
      Snapshot.take(workflow, state, state.updatedAt).pipe(
        // Taking a snapshot trusts `evolve`; a law does not.
        Result.flatMap((taken) => Result.map(workflow.checkData(taken.data), () => taken)),
        Result.getOrThrowWith(({ path, problem }) =>
          broken(`the data at position ${state.position} has its schema's shape`, "data", `${path} ${problem}`)
        )
      )
  }
  return claims
}

type Claims<Data> = ReturnType<typeof claimsOf<string, Data>>

/** As a store returns it that does not keep the order of keys; Postgres is one. */
const asStored = (snapshot: Snapshot.Snapshot): Snapshot.Snapshot => ({
  ...snapshot,
  data: JSON.parse(Json.canonical(snapshot.data))
})

/** The state of the newest snapshot that a replay to the bounds may start from. */
const bestUsable = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  snapshots: Iterable<Snapshot.Snapshot>,
  bounds: Replay.Bounds
): ExecutionState<Data> | undefined => {
  let best: ExecutionState<Data> | undefined
  for (const snapshot of snapshots) {
    const isWithin =
      snapshot.position <= (bounds.to ?? Number.POSITIVE_INFINITY) &&
      (bounds.until === undefined || snapshot.updated_at <= bounds.until)
    const state = isWithin ? Result.getOrUndefined(Snapshot.restore(workflow, snapshot)) : undefined
    if (state !== undefined && state.position > (best?.position ?? 0)) best = state
  }
  return best
}

const after = (events: ReadonlyArray<WorkflowEvent>, state: ExecutionState | undefined): ReadonlyArray<WorkflowEvent> =>
  events.filter((event) => event.position > (state?.position ?? 0))

/** The instants of a log, those a millisecond beside them, without repetition and in order. */
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

/** The event as if it had been written under the current version. */
const upcast =
  (workflow: Workflow) =>
  (event: WorkflowEvent): WorkflowEvent => {
    const schema = new Map(Object.entries(workflow.events)).get(event.event_name)
    if (schema === undefined) return event
    const payload = Result.getOrThrow(Upcast.apply(Upcast.upcastersOf(schema), event.schema_version, event.payload))
    return { ...event, schema_version: Upcast.currentVersion(schema), ...(payload === undefined ? {} : { payload }) }
  }

/** Freezes plain objects and arrays; instances keep what they cache. */
const deepFreeze = <Value>(value: Value): Value => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return value
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}
