/**
 * The program `refold`: exits with 0 on success, 1 on a failure, which it says in one sentence, 2 on wrong usage.
 *
 * It is a function of a registry, so that a team can have the same commands with its own definitions.
 */
import { type Workflows } from "@refold/runtime"
// By path: the index of this package loads an HTTP stack that no command needs.
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, type Layer, Logger, Option, Predicate, Stdio } from "effect"
import { CliError, CliOutput, Command } from "effect/cli"
import * as DeadLetterCommands from "./DeadLetterCommands.ts"
import * as EnqueueCommand from "./EnqueueCommand.ts"
import * as ExecutionCommands from "./ExecutionCommands.ts"
import * as LagCommand from "./LagCommand.ts"
import * as Output from "./Output.ts"
import * as RecordedRunCommands from "./RecordedRunCommands.ts"
import * as Signals from "./Signals.ts"
import * as Store from "./Store.ts"
import * as StoreCommands from "./StoreCommands.ts"
import { version } from "./Version.ts"
import * as WorkerCommand from "./WorkerCommand.ts"

const refold = Command.make("refold").pipe(
  Command.withDescription("Event-sourced workflows: import, replay, and query the state at any past instant"),
  Command.withExamples([
    {
      command: "refold import log.csv --tenant acme --workflow orders --case order --activity step --time at",
      description: "Import an event log"
    },
    {
      command: "refold executions --tenant acme --as-of 2026-03-01T12:00:00Z",
      description: "List all executions as they were at an instant"
    },
    {
      command: "refold replay ORDER-7 --tenant acme --until 2026-03-01T12:00:00Z",
      description: "Show one execution at that instant"
    }
  ]),
  Command.withSubcommands([
    StoreCommands.importLog,
    ExecutionCommands.start,
    ExecutionCommands.submit,
    EnqueueCommand.enqueue,
    WorkerCommand.worker,
    ExecutionCommands.replay,
    ExecutionCommands.history,
    ExecutionCommands.executions,
    ExecutionCommands.snapshot,
    StoreCommands.exportLog,
    StoreCommands.verify,
    RecordedRunCommands.recordedRuns,
    DeadLetterCommands.deadLetters,
    LagCommand.lag,
    StoreCommands.migrate
  ]),
  Command.withGlobalFlags([Store.Database, Store.DataDirectory, Store.SchemaName])
)

/** Prints the failure on standard error; returns its exit code. */
const report = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (isShowHelp(failure)) return failure.errors.length === 0 ? 0 : 2
    if (isClosedPipe(failure)) return 0
    if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
    const text =
      failure instanceof Error
        ? `refold: ${Output.printable(failure.message)}`
        : `refold: this is a bug in Refold, please report it\n${Cause.pretty(cause)}`
    yield* Effect.sync(() => process.stderr.write(`${text}\n`))
    return 1
  })

const isShowHelp = (error: unknown): error is CliError.ShowHelp =>
  CliError.isCliError(error) && error._tag === "ShowHelp"

/** The reader of the output, such as `head`, closed the pipe. */
const isClosedPipe = (error: unknown): boolean =>
  Predicate.isTagged(error, "PlatformError") &&
  String(Predicate.hasProperty(error, "cause") ? error.cause : "").includes("EPIPE")

/** Prints wrong usage, and the command for help, on standard error: standard output is for results only. */
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
 * Runs the command of the process arguments, and ends the process with its exit code.
 *
 * **Details**
 *
 * Every command knows the workflows of the registry: `replay`, `submit`, `worker`, `verify`, `recorded-runs` and the others.
 * `Workflows.layerOpen` also treats every other name as an open workflow; the installed program `refold` has only those.
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
