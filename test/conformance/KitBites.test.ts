/** The kits find common bugs of adapters, each planted over the store in memory. */
import { assert, describe, it } from "@effect/vitest"
import { type KitName, checkAdapter } from "@refold/testing/conformance"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import {
  Commit,
  WakeUpChannel,
  Instant,
  type Lease,
  PartitionLeases,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, type Context, Effect, Layer, Option, Result, Stream } from "effect"

type EventModel = WorkflowEventModel["Service"]

/** The port with the bug. Each check builds the layer again, so a bug may have state. */
const over = <Port, Service extends object, Provided>(
  store: Layer.Layer<Provided | Port>,
  port: Context.Service<Port, Service>,
  bug: (port: Service) => Partial<Service>
) =>
  Layer.effect(
    port,
    Effect.map(port, (service) => ({ ...service, ...bug(service) }))
  ).pipe(Layer.provideMerge(store))

const store = MemoryStore.layerWith({ partitionCount: 4 })

const events = (bug: (model: EventModel) => Partial<EventModel>) => over(store, WorkflowEventModel, bug)

/** Every method that returns events. */
const eventsAs = (model: EventModel, seen: (event: WorkflowEvent) => WorkflowEvent) =>
  ({
    commit: (commits) =>
      Effect.map(model.commit(commits), Array.map(Result.map((committed) => ({ events: committed.events.map(seen) })))),
    read: (options) => Stream.map(model.read(options), seen),
    readTenant: (options) => Stream.map(model.readTenant(options), seen),
    readFeed: (options) => Effect.map(model.readFeed(options), Array.map(seen)),
    findByIdempotencyKey: (options) => Effect.map(model.findByIdempotencyKey(options), Option.map(seen))
  }) satisfies Partial<EventModel>

const eventsOf = (commit: Commit.Commit): ReadonlyArray<Commit.NewEvent | Commit.ImportedEvent> => commit.events

interface Bug {
  readonly bug: string
  readonly layer: Layer.Layer<never>
  readonly kit: KitName
  /** Title of a check that finds the bug; others may find it too. */
  readonly breaks: string
  /** Text in the check's message. */
  readonly shows: RegExp
}

const bugs: ReadonlyArray<Bug> = [
  {
    bug: "offsets come from a sequence, which a refused commit uses up",
    layer: events((model) => {
      let refusedCount = 0
      const shifts = new Map<string, number>()
      const keyOf = (event: WorkflowEvent) => `${event.tenant} ${event.execution_id} ${event.position}`
      const shifted = (event: WorkflowEvent) => ({ ...event, offset: event.offset + (shifts.get(keyOf(event)) ?? 0) })
      return {
        ...eventsAs(model, shifted),
        commit: (commits) =>
          Effect.map(
            model.commit(commits),
            Array.map((result) => {
              if (Result.isFailure(result)) refusedCount++
              else for (const event of result.success.events) shifts.set(keyOf(event), refusedCount)
              return Result.map(result, (committed) => ({ events: committed.events.map(shifted) }))
            })
          ),
        readFeed: ({ after, limit, partition }) =>
          Effect.map(model.readFeed({ partition, after: 0, limit: 1_000_000 }), (feed) =>
            feed
              .map(shifted)
              .filter(({ offset }) => offset > after)
              .slice(0, limit)
          )
      }
    }),
    kit: "WorkflowEventModel",
    breaks: "offsets count every partition's events from 1 without gaps, in order of position",
    shows: /offsets of partition \d:\n +expected: \[1,2,3,4\b.*\n +found: .*\n +at: \[\d+\], expected \d+, found \d+/
  },
  {
    bug: "of an import that goes back in time, what comes before it stays",
    layer: events((model) => ({
      commit: (commits) =>
        Effect.tap(model.commit(commits), (results) =>
          Effect.forEach(Array.zip(commits, results), ([commit, result]) => {
            if (Result.isSuccess(result) || result.failure._tag !== "TimeReversed") return Effect.void
            const kept = eventsOf(commit).slice(0, result.failure.position - commit.expectedPosition - 1)
            const imported = kept.flatMap((event) => (event.created_at === undefined ? [] : [event]))
            return Array.isReadonlyArrayNonEmpty(imported)
              ? model.commit([{ ...commit, events: imported }])
              : Effect.void
          })
        )
    })),
    kit: "WorkflowEventModel",
    breaks: "an import with decreasing instants is refused with the first such event, and writes nothing",
    shows: /the log:\n +expected: \[\]\n +found: \[\{"event_id":/
  },
  {
    bug: "the first refused commit ends the batch",
    layer: events((model) => ({
      commit: Effect.fnUntraced(function* ([first, ...others]) {
        const answers: Array.NonEmptyArray<Result.Result<Commit.Committed, Commit.CommitRefused>> = [
          ...(yield* model.commit([first]))
        ]
        for (const commit of others) {
          const { executionId, expectedPosition, tenant } = commit
          const skipped = new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual: 0 })
          if (answers.some(Result.isFailure)) answers.push(Result.fail(skipped))
          else answers.push(...(yield* model.commit([commit])))
        }
        return answers
      })
    })),
    kit: "WorkflowEventModel",
    breaks: "in a batch, each accepted commit is written whole, and a refused one not at all",
    shows: /answers:\n.*\n.*\n +at: \[1\], expected "1 2", found "PositionConflict 0 0"/
  },
  {
    bug: "a commit at an old position is appended all the same",
    layer: events((model) => ({
      commit: Effect.fnUntraced(function* (commits) {
        const results = yield* model.commit(commits)
        return yield* Effect.forEach(Array.zip(commits, results), ([commit, result]) =>
          Result.isFailure(result) && result.failure._tag === "PositionConflict"
            ? Effect.map(model.commit([{ ...commit, expectedPosition: result.failure.actual }]), ([second]) => second)
            : Effect.succeed(result)
        )
      })
    })),
    kit: "WorkflowEventModel",
    breaks: "when commits race for one position, one is written, and the others are refused with the new position",
    shows: /the answers at position 1:/
  },
  {
    bug: "events are stamped by the clock, whatever the last event's instant",
    layer: events((model) =>
      eventsAs(model, (event) =>
        event.created_at === event.recorded_at && event.created_at > "9000"
          ? { ...event, created_at: Instant.fromEpochMillis(0), recorded_at: Instant.fromEpochMillis(0) }
          : event
      )
    ),
    kit: "WorkflowEventModel",
    breaks: "created_at never decreases and equals recorded_at, even if the clock steps back",
    shows: /instants after one of the future:[^]*at: \[0\]\[0\], expected "9998-07-01T00:00:00.000Z", found "1970/
  },
  {
    bug: "instants are kept to the second",
    layer: events((model) =>
      eventsAs(model, (event) => ({ ...event, created_at: event.created_at.replace(/\.\d{3}Z$/, ".000Z") }))
    ),
    kit: "WorkflowEventModel",
    breaks: "an imported event keeps its created_at, and recorded_at is when the store stamped it",
    shows: /expected "1969-12-31T23:59:59.999Z", found "1969-12-31T23:59:59.000Z"/
  },
  {
    bug: "a payload of null is stored as none",
    layer: events((model) =>
      eventsAs(model, ({ payload, ...event }) =>
        payload === null || payload === undefined ? event : { ...event, payload }
      )
    ),
    kit: "WorkflowEventModel",
    breaks: "a payload of null differs from an absent one",
    shows: /the payload:\n +expected: null\n +found: undefined/
  },
  {
    bug: "keys of payloads are sorted, as jsonb does",
    layer: events((model) =>
      eventsAs(model, (event) =>
        event.payload === undefined
          ? event
          : { ...event, payload: JSON.parse(JSON.stringify(event.payload), (_, value: unknown) => sortedKeys(value)) }
      )
    ),
    kit: "WorkflowEventModel",
    breaks: "a payload comes back as it was: the order of keys",
    shows: /expected: "\{\\"b\\":1,\\"a\\":2/
  },
  {
    bug: "`until` is exclusive",
    layer: events((model) => ({
      read: ({ until, ...options }) =>
        Stream.filter(model.read(options), ({ created_at }) => until === undefined || created_at < until)
    })),
    kit: "WorkflowEventModel",
    breaks: "a read until an instant gives the events of that instant and earlier",
    shows: /until 0 ms, 1 at a time:\n +expected: 1\n +found: 0/
  },
  {
    bug: "each page but the first begins an event too late",
    layer: events((model) => ({
      read: ({ batchSize = 1000, ...options }) =>
        Stream.unwrap(
          Effect.map(Stream.runCollect(model.read(options)), (read) =>
            Stream.fromIterable(read.filter((_, place) => place === 0 || place % batchSize > 0))
          )
        )
    })),
    kit: "WorkflowEventModel",
    breaks: "a read respects its bounds, for every batch size",
    shows: /all, 1 at a time:[^]*at: \[1\], which is missing/
  },
  {
    bug: "a page that is exactly full is taken for the last",
    layer: events((model) => ({
      readTenant: ({ batchSize = 1000, ...options }) => Stream.take(model.readTenant(options), batchSize)
    })),
    kit: "WorkflowEventModel",
    breaks: "a tenant is read by execution id in order of UTF-8 bytes, then position",
    shows: /1 at a time:[^]*at: \[1\], which is missing/
  },
  {
    bug: "an idempotency key may be used twice",
    layer: events((model) => ({
      commit: (commits) =>
        Effect.catch(model.commit(commits), () =>
          model.commit(
            Array.map(commits, (commit) => ({
              ...commit,
              events: eventsOf(commit).flatMap(({ created_at, idempotency_key: _key, ...event }) =>
                created_at === undefined ? [event] : []
              )
            }))
          )
        )
    })),
    kit: "WorkflowEventModel",
    breaks: "an event id or an idempotency key that is taken fails the whole call as Refused, and writes nothing",
    shows:
      /a call of 1 commits, whose commit 1 bears a key that the execution has:\n +expected: "Refused"\n +found: "answered"/
  },
  {
    bug: "the driver's error for a taken id is thrown, not typed",
    layer: events((model) => ({ commit: (commits) => Effect.orDie(model.commit(commits)) })),
    kit: "WorkflowEventModel",
    breaks: "an event id or an idempotency key that is taken fails the whole call as Refused, and writes nothing",
    shows: /Appending events failed/
  },
  {
    bug: "a header is looked up by execution id alone",
    layer: over(store, WorkflowExecutionModel, (model) => ({
      find: ({ executionId }) =>
        Effect.gen(function* () {
          const found = yield* Effect.forEach(yield* model.tenants, (tenant) => model.find({ tenant, executionId }))
          return Option.firstSomeOf(found)
        })
    })),
    kit: "WorkflowExecutionModel",
    breaks: "one tenant does not see another tenant's executions",
    // Either of them may come first.
    shows: /found:\n +expected: "(?:ours"\n +found: "theirs|theirs"\n +found: "ours)"/
  },
  {
    bug: "executions are listed in JavaScript's order of text",
    layer: over(store, WorkflowExecutionModel, (model) => ({
      list: (options) =>
        Stream.unwrap(
          Effect.map(Stream.runCollect(model.list(options)), (headers) =>
            Stream.fromIterable(headers.toSorted((left, right) => (left.executionId < right.executionId ? -1 : 1)))
          )
        )
    })),
    kit: "WorkflowExecutionModel",
    breaks: "lists by execution id in order of UTF-8 bytes, for every batch size",
    shows: /now, 1 at a time:[^]*at: \[7\], expected "\uff21", found "😀"/
  },
  {
    bug: "executions as of an instant are those started by then, in their state of now",
    layer: over(store, WorkflowExecutionModel, (model) => ({
      list: ({ asOf, ...options }) =>
        Stream.filter(model.list(options), ({ startedAt }) => asOf === undefined || startedAt <= asOf)
    })),
    kit: "WorkflowExecutionModel",
    breaks: "a header as of an instant is the header after the last event up to that instant",
    shows: /as of second 10:[^]*at: \.isComplete, expected false, found true/
  },
  {
    bug: "the newest snapshot is found, whichever fold made it",
    layer: over(store, WorkflowSnapshotModel, (model) => ({
      find: (options) => model.find({ ...options, fingerprint: "" })
    })),
    kit: "WorkflowSnapshotModel",
    breaks:
      "finds the snapshot at the highest position with the fingerprint within the bounds, else one with another fingerprint",
    shows: /within \{\}:\n +expected: "mine 4"\n +found: "third 8"/
  },
  {
    bug: "nothing is pruned",
    layer: over(store, WorkflowSnapshotModel, (model) => ({
      save: ({ snapshot }) => model.save({ snapshot, prune: [] })
    })),
    kit: "WorkflowSnapshotModel",
    breaks: "saving removes the pruned snapshots, never the saved one, and ignores unknown positions",
    shows: /positions:\n +expected: \[3,4\]\n +found: \[1,2,3,4\]/
  },
  {
    bug: "a known key is queued again",
    layer: over(store, WorkflowEventProcessingModel, (model) => ({
      enqueue: (asked) => model.enqueue(Array.map(asked, ({ idempotencyKey: _key, ...event }) => event))
    })),
    kit: "WorkflowEventProcessingModel",
    breaks: "an event with a known key adds nothing and returns the first entry, even after it was settled",
    shows: /the entry, queued again:[^]*at: \[0\]\.\w+, expected/
  },
  {
    bug: "an attempt is counted when it ends, not when it begins",
    layer: over(store, WorkflowEventProcessingModel, (model) => ({
      claim: (options) =>
        Effect.map(model.claim(options), (claims) =>
          claims.map((claim) => ({
            ...claim,
            events: Array.map(claim.events, (event) => ({
              ...event,
              attemptCount: Math.max(0, event.attemptCount - 1)
            }))
          }))
        )
    })),
    kit: "WorkflowEventProcessingModel",
    breaks:
      "a claim returns the header, the settled count and the next events in order, and counts an attempt of the first",
    shows: /the claim:\n +expected: "a after 0: 1 \(attempt 1\), 2, 3"\n +found: "a after 0: 1, 2, 3"/
  },
  {
    bug: "a renewal goes by the leases that the worker had before, not by those of now",
    layer: over(store, PartitionLeases, (model) => {
      const last = new Map<string, ReadonlyArray<Lease.Lease>>()
      return {
        renew: (options) =>
          Effect.map(model.renew(options), (leases) => {
            const stale = last.get(options.workerId) ?? leases
            last.set(options.workerId, leases)
            return stale
          })
      }
    }),
    kit: "PartitionLeases",
    breaks: "a new worker gets its half as soon as the first has renewed, and nothing until then",
    shows: /how many the first keeps:\n +expected: 2\n +found: 4/
  },
  {
    bug: "two workers are given one partition",
    layer: over(store, PartitionLeases, (model) => ({
      renew: ({ duration, workerId }) =>
        Effect.map(model.renew({ duration, workerId }), (leases) => {
          const [first = { partition: 0, owner: workerId, expiresAt: "2025-03-01T12:00:00.000Z" }] = leases
          return leases.some(({ partition }) => partition === 0) ? leases : [{ ...first, partition: 0 }, ...leases]
        })
    })),
    kit: "PartitionLeases",
    breaks: "workers that stay keep their partitions through any number of renewals",
    shows: /what "b" was answered, and another worker owns:\n +expected: \[\]\n +found: \[.*"owner":"a"/
  },
  {
    bug: "a new reader tells of no gap",
    layer: over(MemoryWakeUpChannel.layer, WakeUpChannel, ({ reader }) => ({
      reader: Effect.map(reader, ({ acknowledge, read }) => ({
        acknowledge,
        read: (options) => Effect.map(read(options), (received) => ({ ...received, hasGap: false }))
      }))
    })),
    kit: "WakeUpChannel",
    breaks: "the first read of a reader reports a gap, at once; the next ones do not",
    shows: /the first read:\n.*\n.*\n +at: \.hasGap, expected true, found false/
  }
]

const sortedKeys = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !globalThis.Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)))
    : value

describe("The conformance kits find that", () => {
  it.live.each(bugs)("$bug", ({ breaks, kit, layer, shows }) =>
    Effect.gen(function* () {
      const unfit = yield* Effect.flip(checkAdapter(layer, { kits: [kit] }))
      assert(unfit._tag === "AdapterUnfit")
      const found = unfit.broken.find(({ promise }) => promise === breaks)
      assert.match(found?.message ?? unfit.message, shows)
    })
  )
})
