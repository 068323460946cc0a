/** Port: the channel that wakes workers. It may lose, double and reorder anything: that costs latency, never an event. */
import type { Array, Duration, Effect, Scope } from "effect"
import { Context, Schema } from "effect"

/** "This execution has work": ids only, never an event. */
export interface WakeUp {
  readonly partition: number
  readonly tenant: string
  readonly executionId: string
}

/** A wake-up as it arrived. `deliveryId` is the stream's own, for acknowledging. */
export interface Delivery extends WakeUp {
  readonly deliveryId: string
}

/** What one read gave. */
export interface Received {
  readonly deliveries: ReadonlyArray<Delivery>
  /** Whether wake-ups may have been lost: look into the queue itself. True of the first read that names a partition. */
  readonly hasGap: boolean
}

export interface WakeUpReader {
  /**
   * Waits at most `timeout` for wake-ups of these partitions; gives at most `limit` of each at once, in their order.
   *
   * **Details**
   *
   * A stream that keeps what was not acknowledged begins with it, whoever got it, in a partition that the last successful
   * read did not name, and in all of them after a failure. It may come again at other times too. Without partitions a
   * read waits and gives nothing.
   *
   * **Errors**
   *
   * `WakeUpChannelError`, soon after `timeout` at the latest, also when the connection hangs. The next read may work or
   * fail as well; a new reader always begins anew.
   */
  readonly read: (options: {
    readonly partitions: ReadonlyArray<number>
    readonly limit: number
    readonly timeout: Duration.Duration
  }) => Effect.Effect<Received, WakeUpChannelError>

  /** After the commit. Deliveries are gone from the stream; doing so again is fine. */
  readonly acknowledge: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<void, WakeUpChannelError>
}

const advice = {
  Unavailable:
    "the stream cannot be reached: check that it runs and that the address is right; until then work is found by sweeping",
  AccessDenied: "the stream refused the user or the password: check the address",
  Full: "the stream has no memory left: free some, or raise maxmemory",
  ReadOnly: "the stream is read-only: connect to the primary",
  WrongType: "a key of the stream holds something else: delete or rename it, or choose another namespace",
  TooOld: "the server is too old: Redis 7.0 or Valkey 7.2 is the least",
  Refused: "the stream refused the command"
}

/** The stream failed. No event is lost by it: at most, work is found later, by sweeping. */
export class WakeUpChannelError extends Schema.TaggedError<WakeUpChannelError>()("WakeUpChannelError", {
  operation: Schema.String,
  reason: Schema.Literals(["Unavailable", "AccessDenied", "Full", "ReadOnly", "WrongType", "TooOld", "Refused"]),
  isRetryable: Schema.Boolean,
  detail: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.operation} failed: ${advice[this.reason]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
}

export class WakeUpChannel extends Context.Service<
  WakeUpChannel,
  {
    /** Publishes wake-ups, in one go. After the commit that they tell of. */
    readonly publish: (wakeUps: Array.NonEmptyReadonlyArray<WakeUp>) => Effect.Effect<void, WakeUpChannelError>

    /** A reader with a connection of its own. One partition is read by one owner at a time; more would share its wake-ups. */
    readonly reader: Effect.Effect<WakeUpReader, WakeUpChannelError, Scope.Scope>
  }
>()("@refold/core/ports/WakeUpChannel") {}
