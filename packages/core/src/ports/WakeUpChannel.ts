/**
 * Port: the channel that wakes workers. It may lose, repeat and reorder wake-ups: that costs latency, never an event.
 */
import type { Array, Duration, Effect, Scope } from "effect"
import { Context, Schema } from "effect"
import { errorMessage, errorReason } from "./ErrorReason.ts"

/** "This execution has work": ids only, never an event. */
export interface WakeUp {
  readonly partition: number
  readonly tenant: string
  readonly executionId: string
}

/** A wake-up as it arrived. The channel gives it the `deliveryId`, by which it is acknowledged. */
export interface Delivery extends WakeUp {
  readonly deliveryId: string
}

/** The answer of one read. */
export interface Received {
  readonly deliveries: ReadonlyArray<Delivery>
  /**
   * Whether wake-ups may have been lost: look into the queue itself. True for the first read that names a partition.
   */
  readonly hasGap: boolean
}

export interface WakeUpReader {
  /**
   * Waits at most `timeout` for wake-ups of these partitions. Returns at most `limit` of each partition, in their
   * order.
   *
   * **Details**
   *
   * A channel that keeps wake-ups until they are acknowledged first returns the unacknowledged ones, whichever reader
   * got them: for each partition that the last successful read did not name, and for all partitions after a failure. It
   * may return them again at other times too. A read without partitions waits and returns nothing.
   *
   * **Errors**
   *
   * `WakeUpChannelError`, soon after `timeout` at the latest, also when the connection hangs. The next read may work or
   * fail as well; a new reader always starts with a new connection.
   */
  readonly read: (options: {
    readonly partitions: ReadonlyArray<number>
    readonly limit: number
    readonly timeout: Duration.Duration
  }) => Effect.Effect<Received, WakeUpChannelError>

  /** Removes deliveries from the channel: call it after the commit. Doing so twice is harmless. */
  readonly acknowledge: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void, WakeUpChannelError>
}

/** Why a channel failed. A reason that is temporary in some cases only has the field `isRetryable`. */
export const WakeUpChannelErrorReason = Schema.Union([
  errorReason("Unavailable", { isRetryable: Schema.Boolean }),
  errorReason("AccessDenied", {}),
  errorReason("Full", { isRetryable: Schema.Boolean }),
  errorReason("ReadOnly", { isRetryable: Schema.Boolean }),
  errorReason("WrongType", {}),
  errorReason("TooOld", {}),
  errorReason("Refused", { isRetryable: Schema.Boolean })
])
export type WakeUpChannelErrorReason = typeof WakeUpChannelErrorReason.Type

const advice: Readonly<Record<WakeUpChannelErrorReason["_tag"], string>> = {
  Unavailable:
    "the wake-up channel cannot be reached: check that it runs and that the address is right; until then work is found by sweeping",
  AccessDenied: "the wake-up channel refused the user or the password: check the address",
  Full: "the wake-up channel has no memory left: free some, or raise maxmemory",
  ReadOnly: "the wake-up channel is read-only: connect to the primary",
  WrongType: "a key of the wake-up channel holds something else: delete or rename it, or choose another namespace",
  TooOld: "the server is too old: Redis 7.0 or Valkey 7.2 is the oldest that works",
  Refused: "the wake-up channel refused the command"
}

/**
 * The channel failed. No event is lost by it: at worst, work is found later, by sweeping.
 *
 * **Details**
 *
 * `reason` says what to do, as in `StoreError`. `cause` is the driver's own error.
 */
export class WakeUpChannelError extends Schema.TaggedError<WakeUpChannelError>()("WakeUpChannelError", {
  operation: Schema.String,
  reason: WakeUpChannelErrorReason
}) {
  override readonly cause: unknown = this.reason.cause

  get isRetryable(): boolean {
    return "isRetryable" in this.reason && this.reason.isRetryable
  }

  override get message(): string {
    return errorMessage(this.operation, advice[this.reason._tag], this.reason.detail)
  }
}

export class WakeUpChannel extends Context.Service<
  WakeUpChannel,
  {
    /** Publishes wake-ups, in one go: call it after the commit of the events that they announce. */
    readonly publish: (wakeUps: Array.NonEmptyReadonlyArray<WakeUp>) => Effect.Effect<void, WakeUpChannelError>

    /**
     * A reader with a connection of its own. Readers of the same partition would share its wake-ups: let only its owner
     * read.
     */
    readonly reader: Effect.Effect<WakeUpReader, WakeUpChannelError, Scope.Scope>
  }
>()("@refold/core/ports/WakeUpChannel") {}
