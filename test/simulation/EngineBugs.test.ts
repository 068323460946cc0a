/** The simulation finds planted bugs of the store and the channel: what each breaks, and how short its script becomes. */
import { assert, describe, it } from "@effect/vitest"
import type { Commit } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import type { Invariant, Ports } from "./engine/Invariants.ts"
import { draw } from "./engine/Script.ts"
import { shorten } from "./engine/Shortening.ts"
import { run } from "./engine/Run.ts"

interface Planted {
  readonly bug: (ports: Ports) => Partial<Ports>
  /** Any of these invariants may break first. */
  readonly breaks: readonly [Invariant, ...ReadonlyArray<Invariant>]
}

/** Changes commits on their way to the store. */
const committing =
  (change: (commit: Commit.Commit, ports: Ports) => Effect.Effect<Commit.Commit>): Planted["bug"] =>
  (ports) => ({
    events: {
      ...ports.events,
      commit: (commits) =>
        Effect.flatMap(
          Effect.forEach(commits, (commit) => change(commit, ports)),
          ports.events.commit
        )
    }
  })

const without = <Value extends object, Key extends keyof Value>(value: Value, key: Key): Omit<Value, Key> => {
  const { [key]: _left, ...rest } = value
  return rest
}

const planted: Record<string, Planted> = {
  "an event that is queued in words only": {
    bug: ({ queue }) => ({
      queue: {
        ...queue,
        enqueue: (events) =>
          Effect.succeed(
            Array.map(events, (event, index) => ({
              ...event,
              queuePosition: index + 1,
              queuedAt: "2030-01-01T00:00:00.000Z",
              attemptCount: 0,
              status: { _tag: "Pending" as const }
            }))
          )
      }
    }),
    breaks: ["No accepted event is lost"]
  },
  "a queue that does not know its keys": {
    bug: ({ queue }) => ({
      queue: {
        ...queue,
        enqueue: (events) => queue.enqueue(Array.map(events, (event) => without(event, "idempotencyKey")))
      }
    }),
    breaks: ["A key gives the first result", "Each event is applied once", "No failure without a cause"]
  },
  "a log that does not know its keys": {
    bug: committing((commit) =>
      Effect.succeed({
        ...commit,
        events: commit.events.map(
          ({ created_at: _createdAt, idempotency_key: _key, ...event }): Commit.NewEvent => event
        )
      })
    ),
    breaks: ["Each event is applied once", "A key gives the first result"]
  },
  "a key in the log that nobody finds": {
    bug: ({ events }) => ({ events: { ...events, findByIdempotencyKey: () => Effect.succeedNone } }),
    breaks: ["A key gives the first result", "No failure without a cause", "Nothing is given up for good"]
  },
  "a commit that settles nothing": {
    bug: committing((commit) => Effect.succeed(without(commit, "settles"))),
    breaks: ["Each event is applied once"]
  },
  "a commit that settles out of order": {
    bug: committing((commit) =>
      Effect.succeed(
        commit.settles === undefined
          ? commit
          : { ...commit, settles: { ...commit.settles, settlements: Array.reverse(commit.settles.settlements) } }
      )
    ),
    breaks: [
      "An answer is true",
      "Each event is applied once",
      "The queue is settled in order",
      "A refusal has a reason"
    ]
  },
  "a commit at any position": {
    bug: committing((commit, { executions }) =>
      Effect.map(Effect.orDie(executions.find(commit)), (header) => ({
        ...commit,
        expectedPosition: Option.match(header, { onNone: () => 0, onSome: ({ position }) => position })
      }))
    ),
    breaks: [
      "Every event was allowed in the state before it",
      "The header is the log's last event",
      "An answer is true",
      "A refusal has a reason",
      "No failure without a cause",
      "A refused request leaves no trace",
      "Each event is applied once"
    ]
  },
  "a log that is read without its end": {
    bug: ({ events }) => ({
      events: {
        ...events,
        read: (options) =>
          Stream.filter(events.read(options), (event) => event.position < 4 || event.position === options.to)
      }
    }),
    breaks: [
      "No failure without a cause",
      "Every pending event is found",
      "A wake-up is enough",
      "Nothing is given up for good"
    ]
  },
  "attempts that are always the first": {
    bug: ({ queue }) => ({
      queue: {
        ...queue,
        claim: (options) =>
          Effect.map(queue.claim(options), (claims) =>
            claims.map((claim) => ({
              ...claim,
              events: Array.map(claim.events, (event) => ({ ...event, attemptCount: 1 }))
            }))
          )
      }
    }),
    breaks: ["Every pending event is found"]
  },
  "an event given up at its first failure": {
    bug: ({ queue }) => ({
      queue: { ...queue, fail: (options) => queue.fail({ ...options, next: { _tag: "Block" } }) }
    }),
    breaks: ["Each attempt is counted once"]
  },
  "wake-ups that never come": {
    bug: ({ stream }) => ({ stream: { ...stream, publish: () => Effect.void } }),
    breaks: ["A wake-up is enough"]
  },
  "wake-ups of the first execution only": {
    bug: ({ stream }) => ({ stream: { ...stream, publish: ([first]) => stream.publish([first]) } }),
    breaks: ["A wake-up is enough"]
  },
  "a sweep that finds nothing": {
    bug: ({ queue }) => ({ queue: { ...queue, findReady: () => Effect.succeed([]) } }),
    breaks: ["Every pending event is found"]
  },
  "leases that are never released": {
    bug: ({ leases }) => ({ leases: { ...leases, release: () => Effect.void } }),
    breaks: ["Leases are released"]
  },
  "a snapshot of another state": {
    bug: ({ snapshots }) => ({
      snapshots: {
        ...snapshots,
        save: ({ prune, snapshot }) => snapshots.save({ prune, snapshot: { ...snapshot, data: { sum: 7 } } })
      }
    }),
    breaks: ["A snapshot is the fold"]
  }
}

const maxSeeds = 100

describe("The simulation finds", () => {
  it.each(Object.entries(planted))("%s", (_name, { breaks, bug }) => {
    for (let seed = 1; seed <= maxSeeds; seed++) {
      const { violation } = run(draw(String(seed)), { bug })
      if (violation === undefined) continue
      assert.include(breaks, violation.invariant, violation.message)
      return
    }
    assert.fail(`nothing in ${maxSeeds} seeds`)
  })

  it("a short script that fails alike, among all the steps of a long one", () => {
    const bug = planted["a commit that settles nothing"]?.bug
    assert(bug !== undefined)
    const script = draw("3")
    const shortened = shorten(script, 200, { bug })
    assert.isDefined(shortened?.outcome.violation)
    assert.isAtMost(shortened?.script.steps.length ?? Infinity, 3)
    assert.isAbove(script.steps.length, 10)
  })
})
