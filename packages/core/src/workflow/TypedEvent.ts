/** Events of the log, read with the types of their definition. */
import { Result, Schema } from "effect"
import type { WorkflowEvent, startedEventName } from "../event/WorkflowEvent.ts"
import { withoutUndefined } from "../event/WithoutUndefined.ts"
import type { PayloadOf, Workflow } from "./Definition.ts"
import type { DataOf, EventNameOf, EventsOf } from "./TypesOf.ts"

/**
 * The events of a definition's executions, with payloads as handlers see them; `event_name` tells them apart. The event that
 * starts an execution is one of them: its payload is the first data. For an open definition, any event.
 */
export type EventOf<W extends Workflow> =
  string extends EventNameOf<W>
    ? WorkflowEvent
    :
        | TypedEvent<typeof startedEventName, DataOf<W>>
        | { readonly [Name in EventNameOf<W>]: TypedEvent<Name, PayloadOf<EventsOf<W>[Name]>> }[EventNameOf<W>]

type TypedEvent<EventName extends string, Payload> = Omit<WorkflowEvent, "event_name" | "payload"> & {
  readonly event_name: EventName
} & (undefined extends Payload ? { readonly payload?: Exclude<Payload, undefined> } : { readonly payload: Payload })

/** The event does not belong to the definition, or the definition cannot read its payload. */
export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  workflow: Schema.String,
  tenant: Schema.String,
  executionId: Schema.String,
  position: Schema.Int,
  eventName: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Workflow "${this.workflow}" cannot read event ${this.position} of execution "${this.executionId}" (${this.eventName}): ${this.reason}`
  }
}

/**
 * Reads an event of the log: brings its payload to the current version, checks and decodes it. `schema_version` becomes the
 * current version.
 *
 * **Gotchas**
 *
 * An event does not name its workflow, and an event of another workflow may have the same name. Read only events of
 * executions that run this definition, as their headers say.
 */
export function decodeEvent<W extends Workflow>(
  workflow: W,
  event: WorkflowEvent
): Result.Result<EventOf<W>, UndecodableEvent>
// `readPayload` decodes by the schema of the event's name. Only the overload can express that.
export function decodeEvent(workflow: Workflow, event: WorkflowEvent): Result.Result<unknown, UndecodableEvent> {
  const { payload: _stored, ...rest } = event
  return workflow.readPayload(event).pipe(
    Result.map((payload) => ({
      ...rest,
      schema_version: workflow.schemaVersion(event.event_name),
      ...withoutUndefined({ payload })
    })),
    Result.mapError(
      (reason) =>
        new UndecodableEvent({
          workflow: workflow.name,
          tenant: event.tenant,
          executionId: event.execution_id,
          position: event.position,
          eventName: event.event_name,
          reason
        })
    )
  )
}
