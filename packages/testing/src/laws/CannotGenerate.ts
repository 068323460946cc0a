/** Thrown before any law is checked, when there is nothing to check it on. */
import { Schema } from "effect"

/** A definition that logs cannot be generated from. Each problem names an event, and what to give for it. */
export class CannotGenerate extends Schema.TaggedError<CannotGenerate>()("CannotGenerate", {
  workflow: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `No log of workflow "${this.workflow}" can be generated:${this.problems.map((problem) => `\n  ${problem}`).join("")}`
  }
}
