/** SIGINT and SIGTERM: the first signal asks the running command to end, the second ends the process at once. */
import { Context, Effect, Exit, Runtime } from "effect"
import { constants } from "node:os"

type Signal = "SIGINT" | "SIGTERM"

export class Signals extends Context.Service<
  Signals,
  {
    /** The first signal. It interrupts the command, unless the command awaits it here and ends by itself. */
    readonly received: Effect.Effect<Signal>
    /** Ends the process, even if work is in progress. */
    readonly exit: (code: number) => Effect.Effect<never>
  }
>()("@refold/cli/Signals") {}

/** Runs the program, whose result is the exit code. After a signal, the exit code is that of the signal. */
export const runMain = (program: Effect.Effect<number, unknown, Signals>): void => {
  let first: Signal | undefined
  let waiting: ((signal: Signal) => void) | undefined

  const received = Effect.callback<Signal>((resume) => {
    waiting = (signal) => resume(Effect.succeed(signal))
    return Effect.sync(() => {
      waiting = undefined
    })
  })
  const exit = (code: number) => Effect.sync((): never => process.exit(code))

  const run = Runtime.makeRunMain(({ fiber }) => {
    const onSignal = (signal: Signal) => {
      if (first !== undefined) process.exit(codeOf(signal))
      first = signal
      if (waiting === undefined) fiber.interruptUnsafe(fiber.id)
      else waiting(signal)
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
    fiber.addObserver((result) => {
      const code = Exit.isSuccess(result) && typeof result.value === "number" ? result.value : codeOf(first ?? "SIGINT")
      // After success, nothing keeps the process alive, and output may still be in flight: let the process end by itself.
      if (first !== undefined || code !== 0) process.exit(code)
    })
  })
  run(Effect.provideService(program, Signals, { received, exit }), { disableErrorReporting: true })
}

/** Exit code by which a shell reports a process that the signal ended. */
const codeOf = (signal: Signal): number => 128 + constants.signals[signal]
