/** The error for a definition without logs to check laws on. */
import { Schema } from "effect"

/** No log can be generated from the definition. Each problem names an event, and the option that helps. */
export class CannotGenerate extends Schema.TaggedError<CannotGenerate>()("CannotGenerate", {
  workflow: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `No log of workflow "${this.workflow}" can be generated:${this.problems.map((problem) => `\n  ${problem}`).join("")}`
  }
}
