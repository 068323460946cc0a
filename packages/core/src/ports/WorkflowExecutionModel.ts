/** Port: one header per execution, for finding and listing. Written by `WorkflowEventModel.commit` alone. */
import type { Effect, Option, Stream } from "effect"
import { Context, Schema } from "effect"
import { Identifier } from "../event/Identifier.ts"
import { Instant } from "../event/Instant.ts"
import { Position } from "../event/Position.ts"
import { WorkflowRef } from "../workflow/WorkflowRef.ts"
import type { StoreError } from "./StoreError.ts"

/** What is known of an execution without a replay. `startedAt` and `updatedAt` are its first and last event's instants. */
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
     * Headers of a tenant by execution id (in order of UTF-8 bytes), of all or of those in one state; as of now, or as
     * they were at an instant (events of that instant included), when executions not yet started are left out.
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
