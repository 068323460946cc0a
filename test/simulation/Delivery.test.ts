/** Law 6 in memory: under losses, repetitions, reorderings and crashes, each accepted event is applied once and in order. */
import { assert, describe, it } from "@effect/vitest"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Clock, Duration, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Command, commands, simulate } from "./Simulation.ts"

const inMemory = (run: ReadonlyArray<Command>) =>
  simulate(run, {
    prefix: "",
    pass: TestClock.adjust("500 millis"),
    jump: (seconds) =>
      Effect.flatMap(Clock.currentTimeMillis, (millis) => TestClock.setTime(Math.max(0, millis + seconds * 1000))),
    firstDelay: Duration.seconds(1),
    recovery: "Workers"
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(MemoryStore.layerWith({ partitionCount: 2 }), MemoryWakeUpChannel.layer)),
    Effect.provide(TestClock.layer()),
    Effect.provide(Logger.layer([]))
  )

const at = 0
const added = (by: number) => ({ event_name: "Added", payload: { by } })
const unkeyed = { submission: added(2), key: undefined }
const keyed = { submission: added(-2), key: "k" }

/** The shortest commands that found a planted bug; all of them are kept. */
const examples: Array<[Array<Command>]> = [
  // Two processes settle the same refusal, which changes no position.
  [
    [
      { kind: "enqueue", at, requests: [keyed] },
      {
        kind: "deliver",
        process: 0,
        which: 0,
        isKept: false,
        fault: { point: "commit", when: "before", what: "overtake" }
      },
      { kind: "enqueue", at, requests: [unkeyed] }
    ]
  ],
  // A submission has the key of a queued event that the state would accept again.
  [
    [
      { kind: "submit", at, request: unkeyed },
      { kind: "submit", at, request: unkeyed },
      { kind: "enqueue", at, requests: [keyed] },
      { kind: "submit", at, request: keyed }
    ]
  ],
  // The same, but the state no longer accepts the event.
  [
    [
      { kind: "submit", at, request: unkeyed },
      { kind: "enqueue", at, requests: [keyed] },
      { kind: "submit", at, request: keyed }
    ]
  ],
  // The clock jumps back to before an event was queued.
  [
    [
      { kind: "clock", seconds: 86_400 },
      { kind: "enqueue", at, requests: [unkeyed] },
      { kind: "clock", seconds: -600 }
    ]
  ]
]

describe("Delivery", () => {
  it(
    "applies each accepted event exactly once, in the order of the queue, whatever happens",
    () =>
      fc.assert(
        fc.asyncProperty(commands, async (run) => {
          await Effect.runPromise(inMemory(run))
        }),
        { examples }
      ),
    60_000
  )

  it("is given work enough by the commands: most runs queue several events", async () => {
    const counts = await Promise.all(
      fc.sample(commands, { numRuns: 30, seed: 6 }).map((run) => Effect.runPromise(inMemory(run)))
    )
    assert.isAtLeast(counts.filter(({ entryCount }) => entryCount >= 3).length, 15)
  })
})
