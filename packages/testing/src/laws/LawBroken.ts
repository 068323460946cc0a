/** The error of `checkWorkflow`: a law that does not hold, with the smallest history that was found to break it. */
import { WorkflowEvent } from "@refold/core"
import { Schema } from "effect"
import { describeEvent } from "./LogArbitrary.ts"

/**
 * **Details**
 *
 * `Replay.fold(definition, undefined, history)` replays `history`. `cuts` are the positions after which the law pauses, takes
 * a snapshot or asks for a state. `differences` begin with a JSON pointer. `seed` and `path` repeat the run. `cause` is the
 * exception of a handler or a guard.
 */
export class LawBroken extends Schema.TaggedError<LawBroken>()("LawBroken", {
  workflow: Schema.String,
  /** Name of the law, as in the option `laws`. */
  law: Schema.String,
  promise: Schema.String,
  assertion: Schema.String,
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
      `  ${this.assertion}`,
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
      "To replay it:",
      "Replay.fold(definition, undefined, [",
      this.history.map((event) => `  ${JSON.stringify(event)}`).join(",\n"),
      "])"
    ]
  }
}
