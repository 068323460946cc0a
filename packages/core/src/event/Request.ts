/**
 * The request that an idempotency key stands for: one request of one execution.
 *
 * **Details**
 *
 * Two submissions are the same request if name, type, user and payload are equal, and if target state and workflow are
 * equal where both name one. Metadata does not count: it says where a request came from. An event of the log counts as the
 * request that appended it.
 */
import { Result } from "effect"
import { sha256 } from "../internal/Hash.ts"
import * as Json from "./Json.ts"
import type { Submission } from "./Submission.ts"
import { defaultEventType } from "./WorkflowEvent.ts"

/** The parts that must be equal. Target state and workflow may be absent in one request, so they are compared apart. */
const contents = (request: Submission): string =>
  Json.canonical([
    request.event_name,
    request.event_type ?? defaultEventType,
    request.user_id ?? null,
    request.payload ?? null
  ])

/**
 * Hash of name, type, user and payload: with it, and with target state and workflow, a store compares requests without
 * comparing payloads.
 */
export const hash = (request: Submission): string => sha256(contents(request))

/** Whether two requests are the same in every part, so that one of them can stand for both. */
export const isIdentical = (left: Submission, right: Submission): boolean =>
  left.to_state === right.to_state && left.workflow === right.workflow && isSame(left, right)

/** Whether the two are the same request. False for a payload that no store could hold. */
export const isSame = (left: Submission, right: Submission): boolean =>
  agree(left.to_state, right.to_state) &&
  agree(left.workflow, right.workflow) &&
  isStorable(left) &&
  isStorable(right) &&
  contents(left) === contents(right)

const agree = (left: string | undefined, right: string | undefined): boolean =>
  left === undefined || right === undefined || left === right

const isStorable = ({ payload = null }: Submission): boolean =>
  Result.isSuccess(Json.check(payload, Number.POSITIVE_INFINITY))
