/**
 * The laws of a definition: what holds for every log generated from it.
 *
 * **Details**
 *
 * `checkWorkflow` runs them in this order, those first that explain the others: a handler that changes what it is given
 * breaks most of them. Law 6 of the design, delivery, is one of adapters and workers; it is not here.
 */
import type { Workflow } from "@refold/core"
import { Decision, deepFreeze, Instant, Json, Replay, Snapshot, type WorkflowEvent } from "@refold/core"
import { Effect, Result, Stream } from "effect"
import fc from "fast-check"
import { type Claims, type State, make as claimsOf } from "./Assertions.ts"
import * as Difference from "./Difference.ts"
import { upTo } from "./Draw.ts"
import type { Log } from "./LogArbitrary.ts"
import { upcastOf } from "./Play.ts"
import { watch } from "./ImpurityProbe.ts"

export interface Law {
  readonly name: LawName
  /** What it promises, as a sentence without its full stop. */
  readonly promise: string
  /** Checks it on logs of a definition. */
  readonly run: (setup: Setup, parameters: RunParameters) => Run
}

export interface Setup {
  readonly workflow: Workflow.Workflow
  readonly logs: fc.Arbitrary<Log>
  readonly maxEventCount: number
  /** Is shown each log. */
  readonly see: (log: Log) => void
}

export type Run = Pick<fc.RunDetails<unknown>, "seed" | "failed" | "errorInstance" | "counterexamplePath">

export type RunParameters = Pick<fc.Parameters, "numRuns" | "seed" | "path" | "endOnFailure">

export type LawName =
  | "purity"
  | "round-trip"
  | "decisions"
  | "upcasts"
  | "fold"
  | "idempotence"
  | "snapshots"
  | "temporal"

/** A law about logs, each with a plan: cuts, a policy, or what else the law is about. */
const law = <Plan>(
  name: LawName,
  promise: string,
  plans: (setup: Setup) => fc.Arbitrary<Plan>,
  hold: (claims: Claims, log: Log, plan: Plan) => void
): Law => ({
  name,
  promise,
  run: (setup, parameters) =>
    fc.check(
      fc.property(setup.logs, plans(setup), (log, plan) => {
        setup.see(log)
        hold(claimsOf({ name, promise }, setup.workflow, log.events), log, plan)
      }),
      parameters
    )
})

const noPlan = (): fc.Arbitrary<undefined> => fc.constant(undefined)

/** How many events are folded before something happens. */
const cut = ({ maxEventCount }: Setup): fc.Arbitrary<number> => upTo(maxEventCount + 1)

/** A cut within a log; one that lies behind its end is brought into it. */
const within = (chosen: number, { events }: Log): number =>
  chosen <= events.length ? chosen : chosen % (events.length + 1)

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

const purity = law(
  "purity",
  "handlers, guards and upcasters give the same for the same, and leave what they are given as it is",
  noPlan,
  (claims, { attempts, events }) => {
    const { workflow } = claims
    let state: State
    for (const event of events) {
      const before = deepFreeze(state)
      const shown = showData(workflow, before)
      const what = `evolve of ${event.event_name} at position ${event.position}`
      const evolve = () => Replay.evolve(workflow, before, event)
      const evolved = undisturbed(claims, what, evolve, () =>
        Replay.fold(workflow, undefined, thawed(events.slice(0, event.position)))
      )
      state = claims.folded(() => evolved)
      claims.equal(`${what} gives the same again`, state, claims.folded(evolve))
      claims.equal(`${what} leaves the state it is given as it is`, shown, showData(workflow, before))
    }
    for (const { before, stored, submission, ...tried } of attempts) {
      if (stored !== undefined) {
        const upcasters = `the upcasters of ${submission.event_name} from version ${stored.schema_version}, after position ${before.position}`
        const run = () => upcastOf(workflow, submission.event_name, stored)
        const once = undisturbed(claims, upcasters, run, () =>
          upcastOf(workflow, submission.event_name, thawed(stored))
        )
        claims.equal(`${upcasters}, give the same again`, once, run())
      }
      const what = `the guards of ${submission.event_name} at position ${before.position + 1}`
      const decide = () => Decision.decide(workflow, before, submission)
      const decided = undisturbed(claims, what, decide, () => {
        const again = claims.fold(undefined, thawed(events), { to: before.position })
        return again === undefined ? undefined : Decision.decide(workflow, again, { ...submission })
      })
      claims.equal(`${what} give the same again`, showDecision(decided), showDecision(tried.decision ?? decide()))
    }
  }
)

/** What a function of the definition gives. It must neither ask clock or chance, nor throw, nor change its frozen input. */
const undisturbed = <Value>(claims: Claims, what: string, run: () => Value, runThawed: () => unknown): Value => {
  const { asked, outcome } = watch(run)
  if (asked.size > 0) {
    throw claims.broken(`${what}: the result follows from what is given`, {
      expected: "neither the time nor chance is asked",
      actual: `${[...asked].join(" and ")} is called. Submit the value in the payload; the instant of an event is its created_at`
    })
  }
  return Result.getOrThrowWith(outcome, (cause) => {
    const changes = Result.isSuccess(watch(runThawed).outcome)
    return changes
      ? claims.broken(`${what}: what is given stays as it is`, {
          expected: "a new value, and the frozen one unchanged",
          actual: String(cause),
          cause
        })
      : claims.broken(`${what}: it answers`, { expected: "a value", actual: `it throws ${String(cause)}`, cause })
  })
}

/** JSON as a copy that may be changed. */
const thawed = <Value extends object>(value: Value): Value => JSON.parse(JSON.stringify(value))

/** Data as JSON, which shows what an instance holds and not what it caches. */
const showData = (workflow: Workflow.Workflow, state: State): string =>
  state === undefined
    ? "no state"
    : Difference.show(Result.getOrElse(workflow.encodeData(state.data), () => state.data))

const showDecision = (decision: Result.Result<Decision.Decision, Decision.Rejection>): string =>
  Result.match(decision, {
    onFailure: ({ message }) => `refused: ${message}`,
    onSuccess: ({ events }) => `accepted: ${Difference.show(events)}`
  })

const roundTrip = law(
  "round-trip",
  "data and logs come back from a store's JSON as they were",
  noPlan,
  (claims, { events }) => {
    let state: State
    for (const event of events) {
      state = claims.fold(state, [event])
      if (state === undefined) continue
      const { position } = state
      const snapshot = claims.snapshot(state)
      const [text, sorted] = [JSON.stringify(snapshot.data), Json.canonical(snapshot.data)]
      const forms = [["JSON text", text] as const, ["JSON text with sorted keys", sorted] as const]
      for (const [store, stored] of sorted === text ? forms.slice(0, 1) : forms) {
        const back = Snapshot.restore(claims.workflow, { ...snapshot, data: JSON.parse(stored) })
        claims.equal(
          `the state at position ${position}, stored as ${store} (its data is ${stored}) and read back`,
          state,
          Result.getOrElse(back, (reason) => `no state, since the snapshot is ${reason}`),
          [position]
        )
      }
    }
    claims.equal(
      "the log, stored and read back",
      claims.fold(undefined, events),
      claims.fold(undefined, thawed(events))
    )
  }
)

const decisions = law(
  "decisions",
  "what decide accepts, evolve folds to the announced state; what it refuses leaves no trace",
  noPlan,
  (claims, { attempts, events }) => {
    const { workflow } = claims
    const whole = claims.fold(undefined, events)
    for (const { before, submission, ...tried } of attempts) {
      const what = `${submission.event_name} at position ${before.position + 1}`
      const { decision } = tried
      if (decision === undefined) {
        const { outcome } = watch(() => Decision.decide(workflow, before, submission))
        throw claims.broken(`${what} is decided`, {
          expected: "an event or a rejection",
          actual: Result.match(outcome, {
            onFailure: (error) => `it throws ${String(error)}`,
            onSuccess: showDecision
          }),
          cuts: [before.position],
          ...(Result.isFailure(outcome) ? { cause: outcome.failure } : {})
        })
      }
      const cuts = [before.position]
      claims.equal(
        `${what} is decided on the fold of the log so far`,
        claims.fold(undefined, events, { to: before.position }),
        before,
        cuts
      )
      if (Result.isFailure(decision)) continue
      const [decided] = decision.success.events
      const event = events[before.position]
      const evolved = claims.fold(before, event === undefined ? [] : [event])
      claims.equal(`${what}: from_state is the state it is decided on`, before.currentState, decided.from_state, cuts)
      claims.equal(`${what}: evolve goes to to_state`, decided.to_state, evolved?.currentState, cuts)
      claims.equal(`${what}: one position further`, before.position + 1, evolved?.position, cuts)
      claims.equal(
        `${what}: complete in a final state only`,
        workflow.finalStates.has(decided.to_state),
        evolved?.isComplete,
        cuts
      )
      claims.equal(
        `${what}: a complete execution accepts nothing`,
        true,
        evolved?.isComplete !== true || Result.isFailure(Decision.decide(workflow, evolved, submission)),
        cuts
      )
    }
    const accepted = attempts.filter(({ decision }) => decision !== undefined && Result.isSuccess(decision))
    claims.equal("one event for each accepted submission, and the first", accepted.length + 1, events.length)
    claims.equal("the log ends where its last event says", events.at(-1)?.to_state, whole?.currentState)
  }
)

const upcasts = law(
  "upcasts",
  "upcasting commutes with folding and loses nothing; a snapshot never survives a fold it does not belong to",
  cut,
  (claims, log, chosen) => {
    const { workflow } = claims
    const { attempts, events } = log
    for (const { before, decision, stored, submission } of attempts) {
      if (stored === undefined || decision === undefined || Result.isSuccess(decision)) continue
      const { _tag, message } = decision.failure
      const what = `a payload of ${submission.event_name}, version ${stored.schema_version}, upcast to ${Difference.show(submission.payload)}`
      const accepted = "accepted by the current schema"
      claims.equal(what, accepted, _tag === "PayloadInvalid" ? message : accepted, [before.position])
    }
    const whole = claims.fold(undefined, events)
    claims.equal("upcast first, then folded", claims.fold(undefined, events.map(upcast(workflow))), whole)
    const at = within(chosen, log)
    const paused = claims.fold(undefined, events, { to: at })
    if (paused === undefined) return
    const snapshot = claims.snapshot(paused)
    const foreign = { ...snapshot, fingerprint: `${snapshot.fingerprint}, changed` }
    const damaged = { ...snapshot, current_state: `${snapshot.current_state}, changed` }
    for (const [reason, unusable] of [
      ["FingerprintMismatch", foreign],
      ["Damaged", damaged]
    ] as const) {
      const restored = Snapshot.restore(workflow, unusable)
      claims.equal(`the snapshot at ${at} is not used`, reason, Result.merge(restored), [at])
    }
  }
)

/** The event as if it had been written under the current version. */
const upcast =
  (workflow: Workflow.Workflow) =>
  (event: WorkflowEvent): WorkflowEvent => {
    const payload = Result.getOrThrow(upcastOf(workflow, event.event_name, event))
    const schema_version = workflow.schemaVersion(event.event_name)
    return { ...event, schema_version, ...(payload === undefined ? {} : { payload }) }
  }

const fold = law(
  "fold",
  "a replay that pauses anywhere and goes on is the replay of the whole, whatever the chunks the events come in",
  (setup) => fc.tuple(cut(setup), fc.integer({ min: 1, max: 5 })),
  (claims, log, [chosen, chunkSize]) => {
    const { workflow } = claims
    const { events } = log
    const at = within(chosen, log)
    const whole = claims.fold(undefined, events)
    const paused = claims.fold(undefined, events.slice(0, at))
    const shown = showData(workflow, paused)
    claims.equal(`resumed after position ${at}`, whole, claims.fold(paused, events.slice(at)), [at])
    claims.equal(`the state at position ${at} stays as it was handed out`, shown, showData(workflow, paused), [at])
    claims.equal(`replay to position ${at}`, paused, claims.fold(undefined, events, { to: at }), [at])
    const streamed = Replay.foldStream(workflow, paused, Stream.rechunk(Stream.fromIterable(events), chunkSize))
    claims.equal(
      `streamed in chunks of ${chunkSize} after position ${at}`,
      whole,
      claims.folded(() => Effect.runSync(Effect.result(streamed))),
      [at]
    )
    const stepwise = events.reduce<State>(
      (state, event) => claims.folded(() => Replay.evolve(workflow, state, event)),
      undefined
    )
    claims.equal("evolved event by event", whole, stepwise)
  }
)

const idempotence = law(
  "idempotence",
  "events delivered again, in any order and at any time, change nothing",
  (setup) => fc.array(fc.tuple(cut(setup), fc.nat()), { maxLength: 12 }),
  (claims, { events }, redeliveries) => {
    const whole = claims.fold(undefined, events)
    const delivered = events.flatMap((event, place) => [
      event,
      ...redeliveries
        .filter(([after]) => after === place)
        .flatMap(([, again]) => events.slice(again % (place + 1), (again % (place + 1)) + 1))
    ])
    const order = delivered.map((event) => event.position).join(", ")
    claims.equal(`delivered as ${order}`, whole, claims.fold(undefined, delivered))
    claims.equal("the whole log delivered again", whole, claims.fold(whole, events))
    claims.equal("the whole log delivered again, backwards", whole, claims.fold(whole, events.toReversed()))
  }
)

const snapshots = law(
  "snapshots",
  "a replay from a snapshot is the replay without it, in every field and to every bound",
  (setup) => fc.tuple(fc.array(cut(setup), { maxLength: 8 }), policy, retention, cut(setup)),
  (claims, log, [chosen, chosenPolicy, chosenRetention, bound]) => {
    const { events } = log
    const cuts = chosen.map((each) => within(each, log))
    const to = within(bound, log)
    const stored = new Map<number, Snapshot.Snapshot>()
    const how = `policy ${JSON.stringify(chosenPolicy)}, retention ${JSON.stringify(chosenRetention)}, cuts ${cuts.join(", ")}`
    for (const at of cuts) {
      const paused = bestUsable(claims.workflow, stored.values(), { to: at })
      const state = claims.fold(paused, after(events, paused), { to: at })
      if (state === undefined || !Snapshot.isDue(chosenPolicy, paused ?? Snapshot.origin, state)) continue
      const snapshot = claims.snapshot(state)
      // As a store gives it back that does not keep the order of keys: `jsonb` is one.
      stored.set(state.position, { ...snapshot, data: JSON.parse(Json.canonical(snapshot.data)) })
      for (const position of Snapshot.toPrune(chosenRetention, [...stored.keys()])) stored.delete(position)
    }
    for (const bounds of [...boundsOf(events), ...boundsOf(events).map((each) => ({ to, ...each }))]) {
      const paused = bestUsable(claims.workflow, stored.values(), bounds)
      // Without a snapshot to start from, the two replays are the same call.
      if (paused === undefined) continue
      claims.equal(
        `replay ${JSON.stringify(bounds)} from the snapshot at ${paused.position} (${how})`,
        claims.fold(undefined, events, bounds),
        claims.fold(paused, after(events, paused), bounds),
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

const temporal = law(
  "temporal",
  "the state at an instant is the fold of the events up to it; it never goes back, and later events do not change it",
  cut,
  (claims, log, chosen) => {
    const { events } = log
    const length = within(chosen, log)
    const earlier = events.slice(0, length)
    const next = events[length]
    let previous = 0
    for (const until of instantsOf(events)) {
      const state = claims.fold(undefined, events, { until })
      const upToThen = events.filter((event) => event.created_at <= until)
      claims.equal(
        `the state at ${until} is the fold of the events up to then`,
        claims.fold(undefined, upToThen),
        state,
        [upToThen.length]
      )
      const position = state?.position ?? 0
      claims.equal(`the position at ${until} is not before that of an earlier instant`, true, position >= previous)
      previous = position
      // An answer is given about the past: the next event was stamped after the instant asked for.
      if (next !== undefined && next.created_at <= until) continue
      claims.equal(
        `the state at ${until}, asked when the log had ${earlier.length} events`,
        claims.fold(undefined, earlier, { until }),
        state,
        [length]
      )
    }
  }
)

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

export const laws: ReadonlyArray<Law> = [purity, roundTrip, decisions, upcasts, fold, idempotence, snapshots, temporal]
