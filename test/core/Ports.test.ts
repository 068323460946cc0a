import { assert, describe, it } from "@effect/vitest"
import {
  WakeUpChannel,
  WakeUpChannelError,
  type WakeUpChannelErrorReason,
  ExecutionHeader,
  PartitionLeases,
  StoreError,
  type StoreErrorReason,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Effect, Schema } from "effect"

const storeReasons: ReadonlyArray<readonly [reason: StoreErrorReason, isRetryable: boolean]> = [
  [{ _tag: "Unavailable", isRetryable: true }, true],
  [{ _tag: "ReadOnly" }, false],
  [{ _tag: "Full" }, false],
  [{ _tag: "SchemaMissing" }, false],
  [{ _tag: "SchemaOlder" }, false],
  [{ _tag: "SchemaNewer" }, false],
  [{ _tag: "SchemaName" }, false],
  [{ _tag: "Locked" }, true],
  [{ _tag: "Refused", isRetryable: false }, false],
  [{ _tag: "Invalid" }, false]
]

const channelReasons: ReadonlyArray<readonly [reason: WakeUpChannelErrorReason, isRetryable: boolean]> = [
  [{ _tag: "Unavailable", isRetryable: false }, false],
  [{ _tag: "AccessDenied" }, false],
  [{ _tag: "Full", isRetryable: true }, true],
  [{ _tag: "ReadOnly", isRetryable: true }, true],
  [{ _tag: "WrongType" }, false],
  [{ _tag: "TooOld" }, false],
  [{ _tag: "Refused", isRetryable: false }, false]
]

const ofStore = (reason: StoreErrorReason) => new StoreError({ operation: "Reading", reason })

const ofChannel = (reason: WakeUpChannelErrorReason) => new WakeUpChannelError({ operation: "Reading", reason })

describe("The error of a port", () => {
  it.each([
    ["StoreError", storeReasons.map(([reason]) => ofStore(reason))],
    ["WakeUpChannelError", channelReasons.map(([reason]) => ofChannel(reason))]
  ])("names what failed, and tells by another sentence for every reason what is wrong: %s", (tag, errors) => {
    for (const error of errors) {
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, /^Reading failed: \w+( \S+){3,}/)
    }
    assert.strictEqual(new Set(errors.map((error) => error.message)).size, errors.length)
  })

  it("says which command mends a schema that is missing or older", () => {
    for (const reason of ["SchemaMissing", "SchemaOlder"] as const) {
      assert.include(ofStore({ _tag: reason }).message, "run `refold migrate`")
    }
  })

  it("adds what the driver said, if it said something", () => {
    const refused = { _tag: "Refused", isRetryable: false } as const
    assert.strictEqual(ofStore({ ...refused, detail: "no table" }).message, `${ofStore(refused).message} (no table)`)
    assert.strictEqual(ofChannel({ ...refused, detail: "no key" }).message, `${ofChannel(refused).message} (no key)`)
  })

  it("keeps the driver's own error, and whether the same call may work later", () => {
    const cause = new Error("socket closed")
    for (const error of [
      ofStore({ _tag: "Unavailable", isRetryable: true, cause }),
      ofChannel({ _tag: "Unavailable", isRetryable: true, cause })
    ]) {
      assert.deepStrictEqual([error.isRetryable, error.cause], [true, cause])
    }
    for (const [reason, isRetryable] of storeReasons) assert.strictEqual(ofStore(reason).isRetryable, isRetryable)
    for (const [reason, isRetryable] of channelReasons) assert.strictEqual(ofChannel(reason).isRetryable, isRetryable)
  })

  it.effect("has one of its reasons handled by `catchReason`, with the fields of that reason, and no other", () =>
    Effect.gen(function* () {
      const handled = <A, R>(failing: Effect.Effect<A, StoreError | WakeUpChannelError, R>) =>
        failing.pipe(
          Effect.catchReason("StoreError", "Unavailable", ({ isRetryable }) => Effect.succeed(isRetryable)),
          Effect.catchReason("WakeUpChannelError", "TooOld", ({ detail }) => Effect.succeed(detail))
        )
      assert.isTrue(yield* handled(Effect.fail(ofStore({ _tag: "Unavailable", isRetryable: true }))))
      assert.strictEqual(yield* handled(Effect.fail(ofChannel({ _tag: "TooOld", detail: "6.2" }))), "6.2")
      for (const other of [ofStore({ _tag: "Full" }), ofChannel({ _tag: "Unavailable", isRetryable: true })]) {
        assert.strictEqual(yield* Effect.flip(handled(Effect.fail(other))), other)
      }
    })
  )
})

describe("A port", () => {
  it("has a key that no other service has: the path that it is imported by", () => {
    const ports = {
      WakeUpChannel,
      PartitionLeases,
      WorkflowEventModel,
      WorkflowEventProcessingModel,
      WorkflowExecutionModel,
      WorkflowSnapshotModel
    }
    for (const [name, port] of Object.entries(ports)) assert.strictEqual(port.key, `@refold/core/ports/${name}`)
  })
})

describe("ExecutionHeader", () => {
  it("is data that is checked when read: nothing of it may be missing", () => {
    const isHeader = Schema.is(ExecutionHeader)
    const header = {
      tenant: "acme",
      executionId: "invoice-1",
      workflow: { name: "invoice", version: 0 },
      currentState: "Draft",
      position: 1,
      isComplete: false,
      startedAt: "2025-03-01T12:00:00.000Z",
      updatedAt: "2025-03-01T12:00:00.000Z"
    }
    assert.isTrue(isHeader(header))
    for (const field of Object.keys(header)) assert.isFalse(isHeader({ ...header, [field]: undefined }), field)
    assert.isFalse(isHeader({ ...header, workflow: { name: "invoice" } }))
    assert.isFalse(isHeader({ ...header, position: -1 }))
  })
})
