/** Headers in maps. */
import { type ExecutionHeader, Identifier, type Instant, WorkflowExecutionModel } from "@refold/core"
import { Effect, Layer, Option, Stream } from "effect"
import { type Execution, MemoryTables, inOrder } from "./MemoryTables.ts"

export const layer = Layer.effect(
  WorkflowExecutionModel,
  Effect.gen(function* () {
    const { tenants } = yield* MemoryTables
    const executionsOf = (tenant: string) => tenants.get(tenant) ?? new Map<string, Execution>()

    return WorkflowExecutionModel.of({
      find: ({ executionId, tenant }) =>
        Effect.sync(() => Option.fromUndefinedOr(executionsOf(tenant).get(executionId)?.header)),
      findMany: ({ executionIds, tenant }) =>
        Effect.sync(() =>
          [...new Set(executionIds)].flatMap((executionId) => executionsOf(tenant).get(executionId)?.header ?? [])
        ),
      list: ({ asOf, state, tenant }) =>
        Stream.suspend(() =>
          Stream.fromIterable(
            inOrder(executionsOf(tenant))
              .flatMap((execution) => (asOf === undefined ? execution.header : (headerAsOf(execution, asOf) ?? [])))
              .filter((header) => state === undefined || header.currentState === state)
          )
        ),
      tenants: Effect.sync(() => [...tenants.keys()].toSorted(Identifier.compare))
    })
  })
)

/**
 * The header as it was; undefined before the first event. Nothing follows completion, so only the last event completes.
 */
const headerAsOf = ({ events, header }: Execution, asOf: Instant.Instant): ExecutionHeader | undefined => {
  const last = events.findLast((event) => event.created_at <= asOf)
  if (last === undefined) return undefined
  return {
    ...header,
    currentState: last.to_state,
    position: last.position,
    isComplete: header.isComplete && last.position === header.position,
    updatedAt: last.created_at
  }
}
