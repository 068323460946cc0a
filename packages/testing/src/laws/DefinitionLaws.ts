/** Laws about the code of a definition: handlers, guards, upcasters, and the schema of its data. */
import type { Workflow } from "@refold/core"
import { Decision, deepFreeze, Json, Replay, Snapshot, type WorkflowEvent } from "@refold/core"
import { Result } from "effect"
import type { Assertions, State } from "./Assertions.ts"
import * as Difference from "./Difference.ts"
import { probe } from "./ImpurityProbe.ts"
import { cut, law, noPlan, showData, showDecision, thawed, within } from "./Law.ts"
import { upcastOf } from "./Play.ts"

export const purity = law(
  "purity",
  "handlers, guards and upcasters return the same result for the same arguments, and do not change their arguments",
  noPlan,
  (assertions, { attempts, events }) => {
    const { workflow } = assertions
    let state: State
    for (const event of events) {
      const before = deepFreeze(state)
      const shown = showData(workflow, before)
      const what = `evolve of ${event.event_name} at position ${event.position}`
      const evolve = () => Replay.evolve(workflow, before, event)
      const evolved = undisturbed(assertions, what, evolve, () =>
        Replay.fold(workflow, undefined, thawed(events.slice(0, event.position)))
      )
      state = assertions.folded(() => evolved)
      assertions.equal(`${what} returns the same state again`, state, assertions.folded(evolve))
      assertions.equal(`${what} does not change the state that it gets`, shown, showData(workflow, before))
    }
    for (const { before, stored, submission, ...tried } of attempts) {
      if (stored !== undefined) {
        const upcasters = `the upcasters of ${submission.event_name} from version ${stored.schema_version}, after position ${before.position}`
        const run = () => upcastOf(workflow, submission.event_name, stored)
        const first = undisturbed(assertions, upcasters, run, () =>
          upcastOf(workflow, submission.event_name, thawed(stored))
        )
        assertions.equal(`${upcasters}, return the same payload again`, first, run())
      }
      const what = `the guards of ${submission.event_name} at position ${before.position + 1}`
      const decide = () => Decision.decide(workflow, before, submission)
      const decided = undisturbed(assertions, what, decide, () => {
        const again = assertions.fold(undefined, thawed(events), { to: before.position })
        return again === undefined ? undefined : Decision.decide(workflow, again, { ...submission })
      })
      assertions.equal(
        `${what} return the same result again`,
        showDecision(decided),
        showDecision(tried.decision ?? decide())
      )
    }
  }
)

/** Runs a function of the definition. It must not read a clock, draw random values, throw, or change its frozen arguments. */
const undisturbed = <Value>(
  assertions: Assertions,
  what: string,
  run: () => Value,
  runThawed: () => unknown
): Value => {
  const { called, outcome } = probe(run)
  if (called.size > 0) {
    throw assertions.broken(`${what}: the result depends on the arguments alone`, {
      expected: "no call of a clock or a random generator",
      actual: `${[...called].join(" and ")} is called. Submit the value in the payload; the instant of an event is its created_at`
    })
  }
  return Result.getOrThrowWith(outcome, (cause) => {
    const needsChange = Result.isSuccess(probe(runThawed).outcome)
    return needsChange
      ? assertions.broken(`${what}: the arguments do not change`, {
          expected: "a new value, with the frozen arguments unchanged",
          actual: String(cause),
          cause
        })
      : assertions.broken(`${what}: it returns`, { expected: "a value", actual: `it throws ${String(cause)}`, cause })
  })
}

export const roundTrip = law(
  "round-trip",
  "data and logs are the same after a round trip through the JSON of a store",
  noPlan,
  (assertions, { events }) => {
    let state: State
    for (const event of events) {
      state = assertions.fold(state, [event])
      if (state === undefined) continue
      const { position } = state
      const snapshot = assertions.snapshot(state)
      const [text, sorted] = [JSON.stringify(snapshot.data), Json.canonical(snapshot.data)]
      const forms = [["JSON text", text] as const, ["JSON text with sorted keys", sorted] as const]
      for (const [store, stored] of sorted === text ? forms.slice(0, 1) : forms) {
        const back = Snapshot.restore(assertions.workflow, { ...snapshot, data: JSON.parse(stored) })
        assertions.equal(
          `the state at position ${position}, stored as ${store} (its data is ${stored}) and read back`,
          state,
          Result.getOrElse(back, (reason) => `no state, because of ${reason}`),
          [position]
        )
      }
    }
    assertions.equal(
      "the log, stored and read back",
      assertions.fold(undefined, events),
      assertions.fold(undefined, thawed(events))
    )
  }
)

export const decisions = law(
  "decisions",
  "an event that decide accepts, evolve folds to the announced state; a refused event leaves no trace",
  noPlan,
  (assertions, { attempts, events }) => {
    const { workflow } = assertions
    const whole = assertions.fold(undefined, events)
    for (const { before, submission, ...tried } of attempts) {
      const what = `${submission.event_name} at position ${before.position + 1}`
      const { decision } = tried
      if (decision === undefined) {
        const { outcome } = probe(() => Decision.decide(workflow, before, submission))
        throw assertions.broken(`${what} is decided`, {
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
      assertions.equal(
        `${what} is decided on the fold of the log so far`,
        assertions.fold(undefined, events, { to: before.position }),
        before,
        cuts
      )
      if (Result.isFailure(decision)) continue
      const [decided] = decision.success.events
      const event = events[before.position]
      const evolved = assertions.fold(before, event === undefined ? [] : [event])
      assertions.equal(
        `${what}: from_state is the state it is decided on`,
        before.currentState,
        decided.from_state,
        cuts
      )
      assertions.equal(`${what}: evolve goes to to_state`, decided.to_state, evolved?.currentState, cuts)
      assertions.equal(`${what}: evolve moves one position further`, before.position + 1, evolved?.position, cuts)
      assertions.equal(
        `${what}: the execution is complete only in a final state`,
        workflow.finalStates.has(decided.to_state),
        evolved?.isComplete,
        cuts
      )
      assertions.equal(
        `${what}: a complete execution accepts nothing`,
        true,
        evolved?.isComplete !== true || Result.isFailure(Decision.decide(workflow, evolved, submission)),
        cuts
      )
    }
    const accepted = attempts.filter(({ decision }) => decision !== undefined && Result.isSuccess(decision))
    assertions.equal(
      "the log has the first event, and one for each accepted submission",
      accepted.length + 1,
      events.length
    )
    assertions.equal(
      "the log ends in the state that its last event names",
      events.at(-1)?.to_state,
      whole?.currentState
    )
  }
)

export const upcasts = law(
  "upcasts",
  "upcasting commutes with folding and loses nothing; a snapshot of another fold is never used",
  cut,
  (assertions, log, chosen) => {
    const { workflow } = assertions
    const { attempts, events } = log
    for (const { before, decision, stored, submission } of attempts) {
      if (stored === undefined || decision === undefined || Result.isSuccess(decision)) continue
      const { _tag, message } = decision.failure
      const what = `a payload of ${submission.event_name}, version ${stored.schema_version}, upcast to ${Difference.show(submission.payload)}`
      const accepted = "accepted by the current schema"
      assertions.equal(what, accepted, _tag === "PayloadInvalid" ? message : accepted, [before.position])
    }
    const whole = assertions.fold(undefined, events)
    assertions.equal("upcast first, then folded", assertions.fold(undefined, events.map(upcast(workflow))), whole)
    const at = within(chosen, log)
    const paused = assertions.fold(undefined, events, { to: at })
    if (paused === undefined) return
    const snapshot = assertions.snapshot(paused)
    const foreign = { ...snapshot, fingerprint: `${snapshot.fingerprint}, changed` }
    const damaged = { ...snapshot, current_state: `${snapshot.current_state}, changed` }
    for (const [reason, unusable] of [
      ["FingerprintMismatch", foreign],
      ["Damaged", damaged]
    ] as const) {
      const restored = Snapshot.restore(workflow, unusable)
      assertions.equal(`the snapshot at ${at} is not used`, reason, Result.merge(restored), [at])
    }
  }
)

/** The event as the current version would have written it. */
const upcast =
  (workflow: Workflow.Workflow) =>
  (event: WorkflowEvent): WorkflowEvent => {
    const payload = Result.getOrThrow(upcastOf(workflow, event.event_name, event))
    const schema_version = workflow.schemaVersion(event.event_name)
    return { ...event, schema_version, ...(payload === undefined ? {} : { payload }) }
  }
