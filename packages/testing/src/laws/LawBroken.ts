/** What the check of a definition throws: a law that does not hold, with the smallest history found on which it does not. */
import { WorkflowEvent } from "@refold/core"
import { Schema } from "effect"
import { describeEvent } from "./LogArbitrary.ts"

/**
 * **Details**
 *
 * `history` can be replayed as it is, by `Replay.fold(definition, undefined, history)`. `cuts` are the positions after
 * which the law stops, snapshots or asks. `differences` name each place by JSON pointer. `seed` and `path` repeat the run.
 * `cause` is what a handler or a guard threw.
 */
export class LawBroken extends Schema.TaggedError<LawBroken>()("LawBroken", {
  workflow: Schema.String,
  /** As in the option `laws`. */
  law: Schema.String,
  promise: Schema.String,
  claim: Schema.String,
  history: Schema.Array(WorkflowEvent),
  cuts: Schema.Array(Schema.Int),
  expected: Schema.String,
  actual: Schema.String,
  differences: Schema.Array(Schema.String),
  seed: Schema.optionalKey(Schema.Int),
  path: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const again = { laws: [this.law], seed: this.seed, path: this.path }
    return [
      `Workflow "${this.workflow}" breaks the law "${this.law}": ${this.promise}.`,
      `  ${this.claim}`,
      "",
      `expected ${this.expected}`,
      `actual   ${this.actual}`,
      ...(this.differences.length === 0 ? [] : ["they differ at", ...this.differences.map((line) => `  ${line}`)]),
      ...(this.history.length === 0 ? [] : this.describeHistory()),
      "",
      `Check it again: checkWorkflow(definition, { ${Object.entries(again)
        .flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`]))
        .join(", ")} })`
    ].join("\n")
  }

  private describeHistory(): ReadonlyArray<string> {
    return [
      "",
      `On this history of ${this.history.length === 1 ? "one event" : `${this.history.length} events`}:`,
      ...this.history.flatMap((event) => [
        describeEvent(event),
        ...(this.cuts.includes(event.position) ? ["  -- cut --"] : [])
      ]),
      "",
      "The same, to replay:",
      "Replay.fold(definition, undefined, [",
      this.history.map((event) => `  ${JSON.stringify(event)}`).join(",\n"),
      "])"
    ]
  }
}
