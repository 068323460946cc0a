import { assert, describe, it } from "@effect/vitest"
import {
  WakeUpChannel,
  WakeUpChannelError,
  ExecutionHeader,
  PartitionLeases,
  StoreError,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Schema } from "effect"

const storeReasons = [
  "Unavailable",
  "ReadOnly",
  "Full",
  "SchemaMissing",
  "SchemaOlder",
  "SchemaNewer",
  "SchemaName",
  "Locked",
  "Refused",
  "Invalid"
] as const

const streamReasons = ["Unavailable", "AccessDenied", "Full", "ReadOnly", "WrongType", "TooOld", "Refused"] as const

const ofStore = (reason: (typeof storeReasons)[number], detail?: string) =>
  new StoreError({ operation: "Reading", reason, isRetryable: false, ...(detail === undefined ? {} : { detail }) })

const ofStream = (reason: (typeof streamReasons)[number], detail?: string) =>
  new WakeUpChannelError({
    operation: "Reading",
    reason,
    isRetryable: true,
    ...(detail === undefined ? {} : { detail })
  })

describe("The error of a port", () => {
  it.each([
    ["StoreError", storeReasons.map((reason) => ofStore(reason))],
    ["WakeUpChannelError", streamReasons.map((reason) => ofStream(reason))]
  ])("names what failed, and tells by another sentence for every reason what is wrong: %s", (tag, errors) => {
    for (const error of errors) {
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, /^Reading failed: \w+( \S+){3,}/)
    }
    assert.strictEqual(new Set(errors.map((error) => error.message)).size, errors.length)
  })

  it("says which command mends a schema that is missing or older", () => {
    for (const reason of ["SchemaMissing", "SchemaOlder"] as const) {
      assert.include(ofStore(reason).message, "run `refold migrate`")
    }
  })

  it("adds what the driver said, if it said something", () => {
    assert.strictEqual(ofStore("Refused", "no table").message, `${ofStore("Refused").message} (no table)`)
    assert.strictEqual(ofStream("Refused", "no key").message, `${ofStream("Refused").message} (no key)`)
  })

  it("keeps the driver's own error, and whether the same call may work later", () => {
    const cause = new Error("socket closed")
    const error = new StoreError({ operation: "Reading", reason: "Unavailable", isRetryable: true, cause })
    assert.deepStrictEqual([error.isRetryable, error.cause], [true, cause])
  })
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
