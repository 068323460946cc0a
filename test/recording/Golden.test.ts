/** The golden run of every schema version is still read as it was recorded. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Upcast, startedEventName } from "@refold/core"
import { RecordedRun } from "@refold/testing/recording"
import { Workflows } from "@refold/runtime"
import { RecordedRuns } from "@refold/testing/recording"
import { Effect, FileSystem, Layer, Schema } from "effect"
import { join } from "node:path"
import { definitions, directory } from "./Golden.ts"

const layer = Layer.merge(Workflows.layer(...definitions), NodeServices.layer)

const decodeHeader = Schema.decodeUnknownSync(Schema.fromJsonString(RecordedRun.Header))
const decodeLine = Schema.decodeUnknownSync(Schema.fromJsonString(RecordedRun.Line))

const key = (...parts: ReadonlyArray<string | number>): string => parts.join(" ")

/** Workflow, version, event name and schema version of every event in the golden files. */
const recorded = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const found = new Set<string>()
  for (const file of yield* fs.readDirectory(directory)) {
    const [first = "", ...lines] = (yield* fs.readFileString(join(directory, file))).trimEnd().split("\n")
    const { name, version } = decodeHeader(first).workflow
    for (const line of lines) {
      const { event } = decodeLine(line)
      found.add(key(name, version, event.event_name, event.schema_version))
    }
  }
  return found
})

const released = definitions.flatMap(({ events, name, version }) => [
  key(name, version, startedEventName, 1),
  ...Object.entries(events).flatMap(([eventName, event]) =>
    Array.from({ length: Upcast.currentVersion(event) }, (_, older) => key(name, version, eventName, older + 1))
  )
])

describe("Golden runs", () => {
  it.effect("are read by this build as they were by the build that recorded them", () =>
    Effect.gen(function* () {
      const report = yield* RecordedRuns.check(directory)
      assert.deepStrictEqual(report.failures, [])
      assert.isAtLeast(report.runCount, 14)
      assert.strictEqual(report.undecidedCount, 0)
    }).pipe(Effect.provide(layer))
  )

  it.effect("are there for every version of every event: Golden.ts says how to record a missing one", () =>
    Effect.gen(function* () {
      const found = yield* recorded
      assert.deepStrictEqual(
        released.filter((each) => !found.has(each)),
        []
      )
    }).pipe(Effect.provide(layer))
  )
})
