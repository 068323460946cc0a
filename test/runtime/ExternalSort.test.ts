/** The external sort equals a stable sort in memory. */
import { existsSync, readdirSync } from "node:fs"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Layer, Order, Scope, Stream } from "effect"
import fc from "fast-check"
import * as ExternalSort from "@refold/runtime/src/import/ExternalSort"

interface Row {
  readonly key: number
  readonly place: number
  readonly text: string
}

const byKey: Order.Order<Row> = Order.mapInput(Order.Number, (row: Row) => row.key)

const rowsOf = (keys: ReadonlyArray<number>, text = ""): ReadonlyArray<Row> =>
  keys.map((key, place) => ({ key, place, text }))

/** The file system, and every temporary directory created in it. */
const watched = Effect.gen(function* () {
  const directories: Array<string> = []
  const layer = Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) =>
      FileSystem.FileSystem.of({
        ...fs,
        makeTempDirectoryScoped: (options) =>
          Effect.tap(fs.makeTempDirectoryScoped(options), (path) => Effect.sync(() => directories.push(path)))
      })
    )
  ).pipe(Layer.provide(NodeFileSystem.layer))
  return { directories, layer }
})

const sort = (rows: ReadonlyArray<Row>, options: { readonly maxBytes: number; readonly batch?: number }) =>
  Effect.gen(function* () {
    const { directories, layer } = yield* watched
    const { fileCount, sorted } = yield* Effect.gen(function* () {
      const stream = yield* ExternalSort.sort(Stream.fromIterable(rows).pipe(Stream.rechunk(options.batch ?? 1)), {
        order: byKey,
        weigh: () => 1,
        maxBytes: options.maxBytes
      })
      const collected = yield* Stream.runCollect(stream)
      return { sorted: collected, fileCount: directories.flatMap((path) => readdirSync(path)).length }
    }).pipe(Effect.scoped, Effect.provide(layer))
    return { sorted, fileCount, left: directories.filter((path) => existsSync(path)) }
  })

describe("ExternalSort.sort", () => {
  it("equals a stable sort in memory, however little it may hold", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
        fc.string({ unit: "grapheme", maxLength: 5 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 9 }),
        async (keys, text, maxBytes, batch) => {
          const rows = rowsOf(keys, `${text}\n\r\u2028"`)
          const { left, sorted } = await Effect.runPromise(sort(rows, { maxBytes, batch }))
          assert.deepStrictEqual(sorted, rows.toSorted(byKey))
          assert.deepStrictEqual(left, [])
        }
      ),
      { numRuns: 40 }
    ))

  it.effect("merges more runs than it opens files at a time, in rounds, and stays stable", () =>
    Effect.gen(function* () {
      const rows = rowsOf(Array.from({ length: 2100 }, (_, index) => (index * 7919) % 13))
      const { fileCount, left, sorted } = yield* sort(rows, { maxBytes: 2 })
      // Two rows per run, and one more file for each merge of the first round.
      assert.isAbove(fileCount, rows.length / 2)
      assert.deepStrictEqual(sorted, rows.toSorted(byKey))
      assert.deepStrictEqual(left, [])
    })
  )

  it.effect("hands on all rows where a run is longer than a merge's batch", () =>
    Effect.gen(function* () {
      const rows = rowsOf(Array.from({ length: 7000 }, (_, index) => (index * 7919) % 3001))
      const { fileCount, sorted } = yield* sort(rows, { maxBytes: 3000, batch: 500 })
      assert.strictEqual(fileCount, 3)
      assert.deepStrictEqual(sorted, rows.toSorted(byKey))
    })
  )

  it.effect("sorts what fits without a file", () =>
    Effect.gen(function* () {
      const { fileCount, sorted } = yield* sort(rowsOf([2, 1]), { maxBytes: 100 })
      assert.strictEqual(fileCount, 0)
      assert.deepStrictEqual(
        sorted.map((row) => row.key),
        [1, 2]
      )
    })
  )

  it.effect("removes its files when the rows fail, or when the reader stops early", () =>
    Effect.gen(function* () {
      const { directories, layer } = yield* watched
      const options = { order: byKey, weigh: () => 1, maxBytes: 1 }
      const broken = Stream.concat(Stream.fromIterable(rowsOf([3, 2, 1])), Stream.fail("broken" as const))
      const error = yield* ExternalSort.sort(broken, options).pipe(Effect.scoped, Effect.provide(layer), Effect.flip)
      assert.strictEqual(error, "broken")

      const scope = yield* Scope.make()
      const sorted = yield* ExternalSort.sort(
        Stream.fromIterable(rowsOf([3, 2, 1])).pipe(Stream.rechunk(1)),
        options
      ).pipe(Scope.provide(scope), Effect.provide(layer))
      assert.strictEqual((yield* Stream.runCollect(Stream.take(sorted, 1)))[0]?.key, 1)
      assert.isTrue(directories.some((path) => existsSync(path)))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(directories.length, 2)
      assert.deepStrictEqual(
        directories.filter((path) => existsSync(path)),
        []
      )
    })
  )
})
