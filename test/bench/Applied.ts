/** Waiting for an event to be in the log, and notifying. */
import { WorkflowEventModel } from "@refold/core"
import { Deferred, Effect, Layer, Result } from "effect"

/** Events by id: one side writes them and the other waits for them, in either order. */
export class Applied {
  readonly #events = new Map<string, Deferred.Deferred<void>>()

  #of(id: string): Deferred.Deferred<void> {
    const known = this.#events.get(id)
    if (known !== undefined) return known
    const fresh = Deferred.makeUnsafe<void>()
    this.#events.set(id, fresh)
    return fresh
  }

  wait(id: string): Effect.Effect<void> {
    return Effect.andThen(
      Deferred.await(this.#of(id)),
      Effect.sync(() => void this.#events.delete(id))
    )
  }

  tell(id: string): void {
    Deferred.doneUnsafe(this.#of(id), Effect.void)
  }
}

/** The store with a notification of every appended event. */
export const telling = (applied: Applied) =>
  Layer.effect(
    WorkflowEventModel,
    Effect.map(WorkflowEventModel, (events) =>
      WorkflowEventModel.of({
        ...events,
        commit: (commits) =>
          Effect.tap(events.commit(commits), (results) =>
            Effect.sync(() => {
              for (const { event_id } of results.flatMap((each) =>
                Result.isSuccess(each) ? each.success.events : []
              )) {
                applied.tell(event_id)
              }
            })
          )
      })
    )
  )
