/** Reading public logs of real processes. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { ImportedRow } from "@refold/core"
import { Array, Effect, Stream } from "effect"
import * as RealLogs from "./RealLogs.ts"

const inOrder = (rows: ReadonlyArray<ImportedRow>) =>
  rows.toSorted((left, right) =>
    left.created_at < right.created_at ? -1 : left.created_at > right.created_at ? 1 : left.place - right.place
  )

describe.skipIf(!RealLogs.isThere)(RealLogs.titleOf("real logs"), () => {
  it.live.each(RealLogs.logs)("$name: every case has the events it should, in the order it should", (log) =>
    Effect.gen(function* () {
      const expected = yield* RealLogs.expectedOf(log.name)
      const rows = yield* Stream.runCollect(RealLogs.rowsOf(log))
      const cases = new Map(Object.entries(Array.groupBy(rows, (row) => row.execution_id)))

      assert.strictEqual(rows.length, expected.events)
      assert.strictEqual(cases.size, expected.cases)
      for (const [id, answer] of Object.entries(expected.case_answers)) {
        assert.deepStrictEqual(RealLogs.answerOf(inOrder(cases.get(id) ?? []), answer), answer, id)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
