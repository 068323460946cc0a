/**
 * The program `refold`: exit 0 done, 1 a failure with one sentence, 2 wrong usage.
 *
 * A function of a registry, so that a team has the same commands with its own definitions.
 */
// By path: the index of this package loads an HTTP stack that no command needs.
import { type Workflows } from "@refold/runtime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, type Layer, Logger, Option, Predicate, Stdio } from "effect"
import { CliError, CliOutput, Command } from "effect/cli"
import * as ExecutionCommands from "./ExecutionCommands.ts"
import * as RecordedRunCommands from "./RecordedRunCommands.ts"
import * as Output from "./Output.ts"
import * as QueueCommands from "./QueueCommands.ts"
import * as Signals from "./Signals.ts"
import * as Store from "./Store.ts"
import * as StoreCommands from "./StoreCommands.ts"
import { version } from "./Version.ts"

const refold = Command.make("refold").pipe(
  Command.withDescription("Event-sourced workflows: a log, its replay, and the state at any instant"),
  Command.withExamples([
    {
      command: "refold import log.csv --tenant acme --workflow orders --case order --activity step --time at",
      description: "Take a log in"
    },
    {
      command: "refold executions --tenant acme --as-of 2026-03-01T12:00:00Z",
      description: "See where everything stood"
    },
    {
      command: "refold replay ORDER-7 --tenant acme --until 2026-03-01T12:00:00Z",
      description: "See one execution then"
    }
  ]),
  Command.withSubcommands([
    StoreCommands.importLog,
    ExecutionCommands.start,
    ExecutionCommands.submit,
    QueueCommands.enqueue,
    QueueCommands.worker,
    ExecutionCommands.replay,
    ExecutionCommands.history,
    ExecutionCommands.executions,
    ExecutionCommands.snapshot,
    StoreCommands.exportLog,
    StoreCommands.verify,
    RecordedRunCommands.recordedRuns,
    QueueCommands.deadLetters,
    QueueCommands.lag,
    StoreCommands.migrate
  ]),
  Command.withGlobalFlags([Store.Database, Store.DataDirectory, Store.SchemaName])
)

/** What went wrong, said on standard error, and the exit code for it. */
const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (isShowHelp(failure)) return failure.errors.length === 0 ? 0 : 2
    if (isClosedPipe(failure)) return 0
    if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
    const text =
      failure instanceof Error
        ? `refold: ${Output.printable(failure.message)}`
        : `refold: this is a defect of Refold, please report it\n${Cause.pretty(cause)}`
    yield* Effect.sync(() => process.stderr.write(`${text}\n`))
    return 1
  })

const isShowHelp = (error: unknown): error is CliError.ShowHelp =>
  CliError.isCliError(error) && error._tag === "ShowHelp"

/** The reader of our output, such as `head`, has seen enough. */
const isClosedPipe = (error: unknown): boolean =>
  Predicate.isTagged(error, "PlatformError") &&
  String(Predicate.hasProperty(error, "cause") ? error.cause : "").includes("EPIPE")

/** Wrong usage: what is wrong, and where help is. Standard output stays for results. */
const layerPresenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.sync(() => {
          const problems = event.errors.map(
            (error) => `refold: ${Output.printable(error.message.replaceAll(/\s+/g, " "))}\n`
          )
          process.stderr.write(`${problems.join("")}See: ${event.commandPath.join(" ")} --help\n`)
        })
      : CliOutput.defaultPresenter.present(event)
})

/**
 * Runs the command that the process was started with, and ends the process with its exit code.
 *
 * **Details**
 *
 * Every command knows the workflows of the registry: `replay`, `submit`, `worker`, `verify`, `recorded-runs` and the others.
 * `Workflows.layerOpen` also knows every other name, as an open workflow; the program `refold` knows those alone.
 */
export const run = (workflows: Layer.Layer<Workflows>): void =>
  Signals.runMain(
    Effect.flatMap(Stdio.Stdio, (stdio) => Effect.flatMap(stdio.args, Command.runWith(refold, { version }))).pipe(
      Effect.as(0),
      Effect.catchCause(report),
      Effect.provide([
        workflows,
        NodeServices.layer,
        layerPresenter,
        Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])
      ])
    )
  )
