/**
 * One step of an execution: a submission is decided, its events get their ids, and a preview fold gives the state that they
 * lead to. Pure; submissions and the queue share it.
 */
import { Array, Result } from "effect"
import type { Instant } from "../event/Instant.ts"
import type { Submission } from "../event/Submission.ts"
import type { Workflow } from "../workflow/Workflow.ts"
import * as Commit from "./Commit.ts"
import * as Decision from "./Decision.ts"
import type { ExecutionRef } from "./ExecutionRef.ts"
import type { ExecutionState } from "./ExecutionState.ts"
import * as Replay from "./Replay.ts"

/** The events of a step, and the state after them, as far as it is known before the store stamps the events. */
export interface Step<Data = unknown> {
  readonly events: Array.NonEmptyReadonlyArray<Commit.NewEvent>
  readonly state: ExecutionState<Data>
}

/**
 * **Details**
 *
 * `eventId` becomes the id of the first event, `idempotencyKey` its key. `at` stands in for the instant that the store will
 * stamp.
 */
export interface Options {
  readonly eventId: string
  readonly idempotencyKey?: string | undefined
  readonly at: Instant
  readonly maxPayloadBytes?: number
}

/**
 * Takes a submission on a state.
 *
 * **Errors**
 *
 * A rejection; or {@link Replay.CorruptHistory} when the definition cannot fold the event that it accepted.
 *
 * **Gotchas**
 *
 * Guards and `evolve` see `at` instead of the store's stamp, partition 0 and the first offset. A replay folds the real
 * stamps. Exceptions of guards and of `evolve` are thrown.
 */
export const take = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data>,
  submission: Submission,
  options: Options
): Result.Result<Step<Data>, Decision.Rejection | Replay.CorruptHistory> => {
  const decided = Decision.decide(workflow, state, submission, options)
  return Result.isFailure(decided)
    ? Result.fail(decided.failure)
    : stepOf(workflow, state, state, decided.success, options)
}

/** Takes the start of an execution. */
export const start = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  ref: ExecutionRef,
  request: Decision.StartRequest,
  options: Options
): Result.Result<Step<Data>, Decision.Rejection | Replay.CorruptHistory> => {
  const decided = Decision.start(workflow, request, options)
  return Result.isFailure(decided)
    ? Result.fail(decided.failure)
    : stepOf(workflow, ref, undefined, decided.success, options)
}

const stepOf = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  ref: ExecutionRef,
  from: ExecutionState<Data> | undefined,
  decision: Decision.Decision,
  { at, eventId, idempotencyKey }: Options
): Result.Result<Step<Data>, Replay.CorruptHistory> => {
  const events = Array.map(decision.events, (event, index): Commit.NewEvent => ({
    ...event,
    event_id: index === 0 ? eventId : `${eventId}.${index}`,
    ...(index > 0 || idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey })
  }))
  return Result.flatMap(preview(workflow, ref, from, events, at), (state) =>
    // One event at least was folded, so there is a state; the compiler does not know it.
    state === undefined ? Result.fail(unfolded(ref, from)) : Result.succeed({ events, state })
  )
}

const unfolded = ({ executionId, tenant }: ExecutionRef, from: ExecutionState | undefined) =>
  new Replay.CorruptHistory({
    tenant,
    executionId,
    position: (from?.position ?? 0) + 1,
    reason: "it folds to no state"
  })

/** The state that events lead to, with `at` in place of the store's stamp. */
const preview = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  { executionId, tenant }: ExecutionRef,
  from: ExecutionState<Data> | undefined,
  events: ReadonlyArray<Commit.NewEvent>,
  at: Instant
): Result.Result<ExecutionState<Data> | undefined, Replay.CorruptHistory> => {
  const stampedAt = from === undefined || at > from.updatedAt ? at : from.updatedAt
  const stamped = Commit.stamp(
    { tenant, executionId, expectedPosition: from?.position ?? 0, events },
    { partition: 0, lastOffset: 0, stampedAt, now: at }
  )
  return Replay.fold(workflow, from, stamped)
}
