/** The command line of a run. */
import { parseArgs } from "node:util"
import { Effect, Schema } from "effect"

/** The command line is wrong; nothing was started. */
export class OptionsInvalid extends Schema.TaggedError<OptionsInvalid>()("OptionsInvalid", { problem: Schema.String }) {
  override get message(): string {
    return `${this.problem}: npm run bench -- [--only PATTERN] [--json] [--strict] [--plots] [--soak [MINUTES]]`
  }
}

export interface Options {
  /** Pattern for the names of figures or plots. */
  readonly only: RegExp
  readonly isJson: boolean
  readonly isStrict: boolean
  readonly mode: { readonly _tag: "Figures" } | { readonly _tag: "Plots" } | { readonly _tag: "Soak"; minutes: number }
}

const defaultSoakMinutes = 10

/** Parses the arguments after the program's name. */
export const parse = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const invalid = (cause: unknown) =>
    new OptionsInvalid({ problem: cause instanceof Error ? (cause.message.split(". ")[0] ?? "") : String(cause) })
  const { positionals, values } = yield* Effect.try({
    try: () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          only: { type: "string", default: "" },
          json: { type: "boolean", default: false },
          strict: { type: "boolean", default: false },
          plots: { type: "boolean", default: false },
          soak: { type: "boolean", default: false }
        }
      }),
    catch: invalid
  })
  const only = yield* Effect.try({ try: () => new RegExp(values.only), catch: invalid })
  const [minutesText, ...others] = positionals
  const minutes = minutesText === undefined ? defaultSoakMinutes : Number(minutesText)
  if (others.length > 0 || (minutesText !== undefined && !values.soak)) {
    return yield* invalid(`There is no argument "${others[0] ?? minutesText}"`)
  }
  if (!(minutes > 0)) return yield* invalid(`"${minutesText}" is not a number of minutes`)
  if (values.soak && values.plots) return yield* invalid("A run soaks or plots, not both")
  const mode: Options["mode"] = values.soak ? { _tag: "Soak", minutes } : { _tag: values.plots ? "Plots" : "Figures" }
  const options: Options = { only, isJson: values.json, isStrict: values.strict, mode }
  return options
})
