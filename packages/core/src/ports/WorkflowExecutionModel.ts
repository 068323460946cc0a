/** Port: one header per execution, for finding and listing. Only `WorkflowEventModel.commit` writes headers. */
import type { Effect, Option, Stream } from "effect"
import { Context, Schema } from "effect"
import { Identifier } from "../event/Identifier.ts"
import { Instant } from "../event/Instant.ts"
import { Position } from "../event/Position.ts"
import { WorkflowRef } from "../workflow/WorkflowRef.ts"
import type { StoreError } from "./StoreError.ts"

/**
 * Summary of an execution that needs no replay. `startedAt` and `updatedAt` are the instants of its first and last
 * events.
 */
export const ExecutionHeader = Schema.Struct({
  tenant: Identifier,
  executionId: Identifier,
  workflow: WorkflowRef,
  currentState: Identifier,
  position: Position,
  isComplete: Schema.Boolean,
  startedAt: Instant,
  updatedAt: Instant
})
export type ExecutionHeader = typeof ExecutionHeader.Type

export class WorkflowExecutionModel extends Context.Service<
  WorkflowExecutionModel,
  {
    readonly find: (options: {
      readonly tenant: string
      readonly executionId: string
    }) => Effect.Effect<Option.Option<ExecutionHeader>, StoreError>

    /** Headers of those executions that exist, in no particular order. */
    readonly findMany: (options: {
      readonly tenant: string
      readonly executionIds: ReadonlyArray<string>
    }) => Effect.Effect<ReadonlyArray<ExecutionHeader>, StoreError>

    /**
     * Headers of a tenant, in all states or in one, by execution id (in order of UTF-8 bytes): now, or as of an
     * instant, events of that instant included. Executions that had not started then are left out.
     */
    readonly list: (options: {
      readonly tenant: string
      readonly state?: string
      readonly asOf?: Instant
      readonly batchSize?: number
    }) => Stream.Stream<ExecutionHeader, StoreError>

    /** Tenants that have an execution, in order of UTF-8 bytes. */
    readonly tenants: Effect.Effect<ReadonlyArray<string>, StoreError>
  }
>()("@refold/core/ports/WorkflowExecutionModel") {}
