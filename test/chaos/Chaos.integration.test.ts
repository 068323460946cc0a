/** A short chaos run with every fault at least once. `npm run chaos` is the long run. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "./Run.ts"

const seed = process.env["REFOLD_CHAOS_SEED"] ?? String(Date.now())

it.live(
  `nothing is lost, doubled or reordered while everything breaks (seed ${seed})`,
  () =>
    Effect.gen(function* () {
      const { log, outcome } = yield* run({
        eventCount: 30,
        executionCount: 200,
        tenantCount: 10,
        workerCount: 4,
        faultInterval: "700 millis",
        seed
      })
      const told = `${JSON.stringify(outcome)}\n${log}`
      const { drainSeconds: _drainSeconds, faults, seconds: _seconds, ...counts } = outcome
      assert.deepStrictEqual(
        counts,
        {
          lost: 0,
          doubled: 0,
          outOfOrder: 0,
          positionGaps: 0,
          offsetGaps: 0,
          headersOff: 0,
          notApplied: 0,
          events: 6000,
          drained: true,
          seed
        },
        told
      )
      for (const [fault, count] of Object.entries(faults)) assert.isAbove(count, 0, fault)
    }),
  240_000
)
