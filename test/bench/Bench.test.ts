/** The benchmark runs. Its figures need a quiet machine, not a test. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Machine from "./Machine.ts"
import { figureOf } from "./Measure.ts"
import * as Options from "./Options.ts"

const main = fileURLToPath(new URL("main.ts", import.meta.url))

const Figures = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      unit: Schema.String,
      ours: Schema.Finite,
      reference: Schema.Finite,
      ratio: Schema.Finite,
      spread: Schema.Finite,
      target: Schema.Finite
    })
  )
)

describe("npm run bench", () => {
  it.live("prints the figures that were asked for, as one array", () =>
    Effect.gen(function* () {
      const { stdout } = spawnSync(process.execPath, [main, "--only", "fold/10$", "--json"], { encoding: "utf8" })
      const figures = yield* Schema.decodeUnknownEffect(Figures)(stdout)
      assert.deepStrictEqual(
        figures.map(({ name, target, unit }) => ({ name, target, unit })),
        [{ name: "fold/10", target: 0.6, unit: "events/s" }]
      )
    })
  )

  it("has ratios above 1 for what is faster or smaller than the reference", () => {
    const turns = [1, 2, 4].map((factor) => ({ ours: 10 * factor, reference: 10 }))
    assert.deepInclude(figureOf("rate", "events/s", 1, turns, "more"), { ours: 20, ratio: 2, spread: 0.75 })
    assert.deepInclude(figureOf("time", "ms", 1, turns, "less"), { ours: 20, ratio: 0.5, spread: 0.75 })
  })

  it.effect("refuses a command line that it cannot follow", () =>
    Effect.gen(function* () {
      for (const args of [["--only", "("], ["--fast"], ["fold"], ["--soak", "soon"], ["--soak", "--plots"]]) {
        assert.include((yield* Effect.flip(Options.parse(args))).message, "npm run bench -- ")
      }
      assert.deepStrictEqual((yield* Options.parse(["--soak"])).mode, { _tag: "Soak", minutes: 10 })
    })
  )

  it.live("stops before it seeds more than the disk holds", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Machine.checkDisk(1_000_000_000))
      assert.match(error.message, /need 1000000000 GiB in .*, where [\d.]+ are free/)
      yield* Machine.checkDisk(0)
    })
  )

  it("says what one core means for the figures, and nothing of two", () => {
    assert.match(Machine.describeCores(1).join(), /one core/)
    assert.deepStrictEqual(Machine.describeCores(2), [])
  })
})
