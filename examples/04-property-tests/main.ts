/** Property tests: the laws hold on a sound workflow, and each law finds the mistake planted for it. */
import { CannotGenerate, LawBroken, NotCovered, describeReport } from "@refold/testing/laws"
import type { WorkflowEvent } from "@refold/core"
import { Console, Effect, Result } from "effect"
import { heading, table } from "../Print.ts"
import { type Bug, bugs, checkSound } from "./Bugs.ts"

const foundBy = (error: unknown): string => {
  if (error instanceof LawBroken) return error.law
  if (error instanceof NotCovered) return "coverage"
  return error instanceof CannotGenerate ? "generation" : "an unexpected error"
}

/** The counterexample in three lines. `error.message` has the whole counterexample, with code to replay it. */
const short = (error: unknown): ReadonlyArray<string> => {
  if (error instanceof LawBroken) {
    const { actual, assertion, differences, expected, history } = error
    return [assertion, differences[0] ?? `expected ${expected}, but ${actual}`, history.map(brief).join(", ")]
  }
  if (error instanceof NotCovered) return error.gaps.slice(0, 1)
  return error instanceof CannotGenerate ? error.problems : [String(error)]
}

const brief = ({ event_name, payload }: WorkflowEvent) =>
  payload === undefined ? event_name : `${event_name} ${JSON.stringify(payload)}`

const cut = (line: string) => (line.length > 160 ? `${line.slice(0, 159)}…` : line)

const plant = Effect.fn("plant")(function* ({ check, foundBy: expected, title }: Bug) {
  const found = Result.match(Result.try({ try: check, catch: (error: unknown) => error }), {
    onSuccess: () => ({ by: "nothing", lines: ["every law held"] }),
    onFailure: (error) => ({ by: foundBy(error), lines: short(error) })
  })
  yield* Console.log(`  ${found.by.padEnd(11)}  ${title}`)
  yield* table(found.lines.filter((line) => line !== "").map((line) => ["", cut(line)]))
  return found.by === expected
})

const suite = Effect.gen(function* () {
  yield* heading("The sound basket keeps the laws")
  yield* table(
    describeReport(checkSound())
      .split("\n")
      .map((line) => [line])
  )
  yield* heading("Each planted mistake, and the law that finds it")
  const caught = yield* Effect.forEach(bugs, plant)
  yield* Console.log(`\n${bugs.length} planted, ${caught.filter((isCaught) => isCaught).length} caught`)
})

await Effect.runPromise(suite)
