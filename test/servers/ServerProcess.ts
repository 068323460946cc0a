/** A server as a child process. It ends with the process that started it, however that ended. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

export interface Server {
  readonly process: ChildProcess
  /** Never rejects. Resolves to `false`, for use in a race. */
  readonly exited: Promise<false>
}

/**
 * The server replaces the shell, so it has the shell's process id. Before that the shell starts a guard, which waits for
 * a line on descriptor 3. If the parent is gone, no line comes: the guard then stops the server and removes the folder.
 */
const guarded = `
{
  if ! read -r dismissed <&3; then
    kill -INT $$
    for tick in 1 2 3 4 5 6 7 8 9 10; do kill -0 $$ && sleep 0.5; done
    rm -rf -- "$0"
  fi
} >/dev/null 2>&1 </dev/null &
exec "$@" 3<&- </dev/null
`

/** Resolves when the server prints `ready`. Rejects with its output if it ends first or takes more than a minute. */
export const startServer = async (options: {
  readonly command: ReadonlyArray<string>
  /** The working folder, which the guard removes if the parent is gone. */
  readonly folder: string
  readonly ready: string
  readonly account?: { readonly uid: number; readonly gid: number }
  readonly env?: NodeJS.ProcessEnv
  /** Gets the server's output, in pieces of any length. */
  readonly onLog?: (text: string) => void
}): Promise<Server> => {
  const child = spawn("sh", ["-c", guarded, options.folder, ...options.command], {
    ...options.account,
    ...(options.env === undefined ? {} : { env: options.env }),
    cwd: options.folder,
    // Its own process group: Ctrl-C reaches only the tests, which then stop the server in order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"]
  })
  let log = ""
  const exited = new Promise<false>((resolve) => {
    child.once("exit", () => resolve(false))
    child.once("error", (error) => {
      log += error.message
      resolve(false)
    })
  })
  const ready = new Promise<true>((resolve) => {
    for (const output of [child.stdout, child.stderr]) {
      output?.setEncoding("utf8").on("data", (text: string) => {
        log = (log + text).slice(-20_000)
        if (log.includes(options.ready)) resolve(true)
        options.onLog?.(text)
      })
    }
  })
  // The guard has nothing to do after the server ended. If the guard ended too, nobody reads the line.
  const guard = child.stdio[3]
  guard?.on("error", () => {})
  void exited.then(() => guard !== null && guard !== undefined && "end" in guard && guard.end("dismissed\n"))

  const server = { process: child, exited }
  if (await Promise.race([ready, exited, delay(60_000, false, { ref: false })])) return server
  await stopServer(server, "SIGKILL")
  throw new Error(`The server did not start:\n${log}`)
}

/** Resolves when the server has ended. Kills it if the signal has not ended it after 20 seconds. */
export const stopServer = async (
  { process: child, exited }: Server,
  signal: "SIGINT" | "SIGQUIT" | "SIGKILL"
): Promise<void> => {
  child.kill(signal)
  const isLate = await Promise.race([exited, delay(20_000, true, { ref: false })])
  if (isLate) child.kill("SIGKILL")
  await exited
}

/** A port that was free a moment ago. Another process can take it only by chance. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new Error("A TCP server has no port.")
  return address.port
}
