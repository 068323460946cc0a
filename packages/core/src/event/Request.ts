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

type Request = Submission

/** The parts that must be equal. Target state and workflow may be absent in one request, so they are compared apart. */
const contents = (request: Request): string =>
  Json.canonical([
    request.event_name,
    request.event_type ?? defaultEventType,
    request.user_id ?? null,
    request.payload ?? null
  ])

/** Hash of name, type, user and payload. With it, target state and workflow, a store compares requests without reading payloads. */
export const hash = (request: Request): string => sha256(contents(request))

/** Whether the two are the same request. False for a payload that no store could hold. */
export const isSame = (left: Request, right: Request): boolean =>
  agree(left.to_state, right.to_state) &&
  agree(left.workflow, right.workflow) &&
  isStorable(left) &&
  isStorable(right) &&
  contents(left) === contents(right)

const agree = (left: string | undefined, right: string | undefined): boolean =>
  left === undefined || right === undefined || left === right

const isStorable = ({ payload = null }: Request): boolean =>
  Result.isSuccess(Json.check(payload, Number.POSITIVE_INFINITY))
