/** Reads the feed of a partition from its beginning into a projection, against a plain keyset SELECT. */
import { deepStrictEqual } from "node:assert"
import { WorkflowEventModel } from "@refold/core"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { onServer, writeLedger } from "./Database.ts"
import { compare, defaultTurnCount } from "./Measure.ts"
import type { Run } from "./Run.ts"

const schema = "refold_bench_feed"

const executionCount = 100
const eventsPerExecution = 1000

/** Page size of both sides. */
const limit = 1000

/** The projection: the turnover of each account. */
class Turnover {
  readonly centsOf = new Map<string, number>()

  add({ event_name, payload }: Projected): void {
    if (event_name !== "Booked" || !isBooked(payload)) return
    this.centsOf.set(payload.account, (this.centsOf.get(payload.account) ?? 0) + payload.cents)
  }
}

/** The fields of an event, or of a row, that the projection needs. */
interface Projected {
  readonly event_name: string
  readonly payload?: unknown
  readonly offset: number | bigint
}

const isBooked = (payload: unknown): payload is { readonly account: string; readonly cents: number } =>
  typeof payload === "object" && payload !== null && "cents" in payload

/** Projects page by page to the end of the feed. */
const projected = <E, R>(page: (after: number) => Effect.Effect<ReadonlyArray<Projected>, E, R>) =>
  Effect.gen(function* () {
    const turnover = new Turnover()
    let after = 0
    while (true) {
      const events = yield* page(after)
      for (const event of events) turnover.add(event)
      if (events.length < limit) return turnover.centsOf
      after = Number(events.at(-1)?.offset)
    }
  })

export const feeds: ReadonlyArray<Run> = [
  {
    names: ["feed"],
    diskGiB: 1,
    figures: Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { readFeed } = yield* WorkflowEventModel
      for (let place = 0; place < executionCount; place++) yield* writeLedger(`feed ${place}`, 0, eventsPerExecution)
      const ours = projected((after) => readFeed({ partition: 0, after, limit }))
      const reference = projected(
        (after) => sql<Projected>`
        select tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state, user_id, payload,
          payload is not null as has_payload, schema_version, created_at, recorded_at, metadata, partition, "offset"
          from ${sql(`${schema}.events`)}
         where partition = 0 and "offset" > ${after} order by "offset" limit ${limit}`
      )
      deepStrictEqual(yield* ours, yield* reference)
      return [
        yield* compare({
          name: "feed",
          work: { count: executionCount * eventsPerExecution, unit: "events" },
          target: 0.8,
          turns: defaultTurnCount,
          ours,
          reference
        })
      ]
    }).pipe(Effect.provide(onServer({ schema, partitionCount: 1 })))
  }
]
