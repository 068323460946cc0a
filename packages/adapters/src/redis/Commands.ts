/** Commands for streams, sent in pipelines. */
import type { Delivery, WakeUp } from "@refold/core"
import { Array, Effect } from "effect"
import type { ChainableCommander, Redis } from "ioredis"
import type { RedisConnection } from "./RedisConnection.ts"
import { toChannelError } from "./RedisFailure.ts"
import { fieldsOf } from "./StreamEntry.ts"

/** A connection, and the key of the stream of each partition. */
export interface Streams {
  readonly connection: RedisConnection
  readonly keyOf: (partition: number) => string
}

export const group = "workers"
export const consumer = "owner"

/** Commands sent in one go. */
const batchSize = 1000

export const publish = ({ connection, keyOf }: Streams, wakeUps: Array.NonEmptyReadonlyArray<WakeUp>) =>
  Effect.forEach(
    Array.chunksOf(wakeUps, batchSize),
    (chunk) =>
      inOneGo(connection, "Publishing wake-ups", (pipeline) => {
        for (const wakeUp of chunk) pipeline.xadd(keyOf(wakeUp.partition), "*", ...fieldsOf(wakeUp))
      }),
    { discard: true }
  )

export const acknowledge = (
  { connection, keyOf }: Streams,
  deliveries: ReadonlyArray<Pick<Delivery, "partition" | "deliveryId">>
) => {
  const idsOf = new Map<number, globalThis.Array<string>>()
  for (const { deliveryId, partition } of deliveries) {
    const ids = idsOf.get(partition)
    if (ids === undefined) idsOf.set(partition, [deliveryId])
    else ids.push(deliveryId)
  }
  if (idsOf.size === 0) return Effect.void
  return inOneGo(connection, "Acknowledging wake-ups", (pipeline) => {
    for (const [partition, all] of idsOf) {
      for (const ids of Array.chunksOf(all, batchSize)) {
        pipeline.xack(keyOf(partition), group, ...ids)
        pipeline.xdel(keyOf(partition), ...ids)
      }
    }
  })
}

/** Creates the groups that are missing. Returns whether any was. */
export const createGroups = Effect.fnUntraced(function* (
  connection: RedisConnection,
  operation: string,
  redis: Redis,
  keys: ReadonlyArray<string>
) {
  if (keys.length === 0) return false
  const pipeline = redis.pipeline()
  for (const key of keys) pipeline.xgroup("CREATE", key, group, "0", "MKSTREAM")
  const results = (yield* connection.ask(operation, () => pipeline.exec())) ?? []
  const failures = results.flatMap(([error]) => error ?? [])
  const failure = failures.find((error) => !error.message.startsWith("BUSYGROUP"))
  if (failure !== undefined) return yield* toChannelError(operation)(failure)
  return failures.length < keys.length
})

/** The first refusal fails the whole, although the commands after it may have been done. */
const inOneGo = Effect.fnUntraced(function* (
  connection: RedisConnection,
  operation: string,
  fill: (pipeline: ChainableCommander) => void
) {
  const redis = yield* connection.open(operation)
  const pipeline = redis.pipeline()
  fill(pipeline)
  const results = yield* connection.ask(operation, () => pipeline.exec())
  const failure = results?.find(([error]) => error !== null)?.[0]
  if (failure === undefined || failure === null) return
  const error = toChannelError(operation)(failure)
  // A primary that was demoted keeps its clients: the address may lead to another one by now.
  if (error.reason._tag === "ReadOnly") yield* connection.discard
  return yield* error
})
