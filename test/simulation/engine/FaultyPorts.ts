/** The ports of one process: each call may be late, fail, lose its answer, or be the last call of its process. */
import {
  type Commit,
  WakeUpChannel,
  WakeUpChannelError,
  type WakeUpReader,
  type ExecutionRef,
  PartitionLeases,
  StoreError,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, Context, Duration, Effect, Stream } from "effect"
import type { Watched } from "./Invariants.ts"
import { type Call, type Fault, nameOf } from "./Script.ts"
import type { World } from "./World.ts"

/** One life of a process. */
export interface Life {
  readonly watched: Watched
  isAlive: boolean
  /** Faults that have happened to it. */
  faultCount: number
  refusedCount: number
  /** Calls that a fault delays now. */
  lateCount: number
}

/** The observers: when the call takes effect, and when its process has the answer. */
interface Watch<A> {
  readonly seen?: (answer: A) => void
  readonly answered?: (answer: A) => void
}

/** How long a client waits for an answer. */
const patience = Duration.seconds(4)

const reasonOf = (tag: "Unavailable" | "Refused") => ({ _tag: tag, isRetryable: tag === "Unavailable" })

const storeFailure = (tag: "Unavailable" | "Refused") =>
  new StoreError({ operation: "A simulation", reason: reasonOf(tag) })

const streamFailure = (tag: "Unavailable" | "Refused") =>
  new WakeUpChannelError({ operation: "A simulation", reason: reasonOf(tag) })

/** How a process calls the ports. `perform` is the effect of a call, in one step, under the given fault. */
const callerOf = (world: World, life: Life) => {
  const { chance, mishaps, tell } = world
  const { name } = life.watched

  /** Lets other fibers run and time pass. */
  const gap = Effect.suspend(() =>
    world.latencyMillis > 0 && chance.happens(0.3)
      ? Effect.sleep(Duration.millis(1 + chance.below(world.latencyMillis)))
      : Effect.yieldNow
  )
  const alive = <A, E>(then: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (life.isAlive ? then : Effect.never))
  const kill = Effect.suspend(() => {
    life.isAlive = false
    return Effect.never
  })

  return <Failure>(failureOf: (reason: "Unavailable" | "Refused") => Failure) =>
    <A, E>(
      call: Call,
      text: string,
      perform: (fault: Fault | undefined) => Effect.Effect<A, E>,
      answered?: (answer: A) => void
    ): Effect.Effect<A, E | Failure> => {
      const meet = (fault: Fault | undefined): Effect.Effect<A, E | Failure> => {
        const fail = (reason: "Unavailable" | "Refused") => Effect.fail(failureOf(reason))
        const done = perform(fault)
        const late = (duration: Duration.Duration) =>
          Effect.suspend(() => {
            life.lateCount++
            return Effect.ensuring(
              Effect.sleep(duration),
              Effect.sync(() => {
                life.lateCount--
              })
            )
          })
        tell(`${name} ${call}${text}${fault === undefined ? "" : ` · ${fault.what}`}`)
        if (fault === undefined) return done
        life.faultCount++
        switch (fault.what) {
          case "fails":
            return fail("Unavailable")
          case "is refused":
            life.refusedCount++
            return fail("Refused")
          case "loses its answer":
            return Effect.andThen(done, fail("Unavailable"))
          case "hangs":
            return Effect.andThen(late(patience), fail("Unavailable"))
          case "hangs, done":
            return Effect.andThen(done, Effect.andThen(late(patience), fail("Unavailable")))
          case "starts late":
            return Effect.andThen(late(Duration.millis(fault.millis)), alive(done))
          case "answers late":
            return Effect.tap(done, () => late(Duration.millis(fault.millis)))
          case "kills before":
            return kill
          case "kills after":
            return Effect.andThen(done, kill)
          case "drops":
          case "doubles":
          case "turns round":
            return done
        }
      }
      const attempt = alive(Effect.andThen(gap, alive(Effect.suspend(() => meet(mishaps.take(name, call))))))
      return Effect.flatMap(Effect.exit(attempt), (exit) =>
        Effect.andThen(
          gap,
          alive(
            Effect.suspend(() => {
              if (exit._tag === "Success") answered?.(exit.value)
              return exit
            })
          )
        )
      )
    }
}

/** The ports of one life of a process, for its services. */
export const portsOf = (world: World, life: Life) => {
  const { atStore, invariants } = world
  const { events, executions, leases, queue, snapshots, stream } = world.portsOfProcesses
  const { watched } = life
  const caller = callerOf(world, life)
  const atStream = caller(streamFailure)
  const call = caller(storeFailure)
  /** A call about one item, or about many. */
  const ask = <A, E>(name: Call, text: string, effect: Effect.Effect<A, E>, { answered, seen }: Watch<A> = {}) =>
    call(name, text, () => atStore(effect, seen), answered)
  const checking = (ref: ExecutionRef) => ({
    seen: () => invariants.check(ref),
    answered: () => invariants.ended(watched, ref)
  })

  return Context.empty().pipe(
    Context.add(WorkflowEventModel, {
      ...events,
      commit: (commits) =>
        ask("commit", ` ${commits.map(textOfCommit).join(", ")}`, events.commit(commits), {
          seen: (results) => invariants.committed(commits, results),
          answered: () => {
            for (const commit of commits) invariants.ended(watched, commit)
          }
        }),
      read: (options) =>
        Stream.unwrap(
          Effect.map(ask("read", ` ${nameOf(options)}`, Stream.runCollect(events.read(options))), Stream.fromIterable)
        ),
      findByIdempotencyKey: (options) =>
        ask("findKey", ` ${nameOf(options)} ${options.idempotencyKey}`, events.findByIdempotencyKey(options))
    }),
    Context.add(WorkflowExecutionModel, {
      ...executions,
      find: (ref) => ask("findHeader", ` ${nameOf(ref)}`, executions.find(ref)),
      findMany: (options) =>
        ask("findHeaders", ` ${options.tenant}/${options.executionIds.join()}`, executions.findMany(options))
    }),
    Context.add(WorkflowSnapshotModel, {
      ...snapshots,
      find: (options) => ask("findSnapshot", ` ${nameOf(options)}`, snapshots.find(options)),
      positions: (ref) => ask("listSnapshots", ` ${nameOf(ref)}`, snapshots.positions(ref)),
      save: (options) =>
        ask(
          "saveSnapshot",
          ` ${options.snapshot.execution_id} at ${options.snapshot.position}`,
          snapshots.save(options),
          {
            seen: () => invariants.saved(options.snapshot)
          }
        )
    }),
    Context.add(WorkflowEventProcessingModel, {
      ...queue,
      enqueue: (queued) =>
        ask(
          "enqueue",
          ` ${queued.map((each) => `${nameOf(each)} ${each.submission.event_name}`).join(", ")}`,
          queue.enqueue(queued),
          {
            seen: () => {
              for (const each of queued) invariants.check(each)
            }
          }
        ),
      findReady: (options) =>
        ask(
          "findReady",
          options.of === "unclaimed" ? " unclaimed" : ` of ${options.of.join()}`,
          queue.findReady(options)
        ),
      claim: (options) =>
        Effect.andThen(
          Effect.sync(() => invariants.begins(watched, options.executions)),
          ask("claim", ` ${options.executions.map(nameOf).join(", ")}`, queue.claim(options), {
            seen: (claims) => {
              for (const { header } of claims) invariants.check(header)
            },
            answered: (claims) => invariants.claimed(watched, options.executions, claims)
          })
        ),
      fail: (options) =>
        ask(
          "fail",
          ` ${nameOf(options.event)} ${options.event.queuePosition}: ${options.next._tag}`,
          queue.fail(options),
          checking(options.event)
        ),
      markUnclaimed: (event) =>
        ask("markUnclaimed", ` ${nameOf(event)} ${event.queuePosition}`, queue.markUnclaimed(event), checking(event)),
      find: (options) => ask("findEntry", ` ${nameOf(options)}`, queue.find(options)),
      lag: ask("lag", "", queue.lag)
    }),
    Context.add(PartitionLeases, {
      ...leases,
      renew: (options) =>
        ask("renew", "", leases.renew(options), {
          answered: (held) =>
            invariants.renewed(
              watched,
              held.map(({ partition }) => partition)
            )
        }),
      release: (workerId) => ask("release", "", leases.release(workerId))
    }),
    Context.add(WakeUpChannel, {
      publish: (wakeUps) =>
        atStream("publish", ` ${wakeUps.map(nameOf).join(", ")}`, (fault) => {
          if (fault?.what === "drops") return Effect.void
          const [first, ...others] = fault?.what === "turns round" ? Array.reverse(wakeUps) : wakeUps
          return atStore(
            stream.publish(fault?.what === "doubles" ? [first, ...others, ...wakeUps] : [first, ...others])
          )
        }),
      reader: Effect.map(
        Effect.andThen(
          atStream("openReader", "", () => Effect.void),
          stream.reader
        ),
        (reader): WakeUpReader => ({
          read: (options) =>
            atStream(
              "readWakeUps",
              ` of ${options.partitions.join()}`,
              (fault) =>
                Effect.map(reader.read(options), ({ deliveries, hasGap }) => ({
                  deliveries:
                    fault?.what === "turns round"
                      ? deliveries.toReversed()
                      : fault?.what === "doubles"
                        ? [...deliveries, ...deliveries]
                        : deliveries,
                  hasGap
                })),
              ({ deliveries }) => invariants.received(watched, deliveries)
            ),
          acknowledge: (deliveries) =>
            atStream("acknowledge", ` ${deliveries.map(nameOf).join(", ")}`, () =>
              atStore(reader.acknowledge(deliveries), () => invariants.acknowledged(watched, deliveries))
            )
        })
      )
    })
  )
}

const textOfCommit = ({ events, executionId, expectedPosition, settles, tenant }: Commit.Commit) =>
  `${nameOf({ tenant, executionId })} after ${expectedPosition}: ${[
    ...events.map((event) => event.event_name),
    ...(settles?.settlements ?? []).map((settlement) => settlement._tag)
  ].join(" ")}`
