/** A server as a child process: gone with the process that started it, however that went. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

export interface Server {
  readonly process: ChildProcess
  /** Never rejects; `false` for use in a race. */
  readonly exited: Promise<false>
}

/**
 * The server takes the place of the shell, and so its process id. Before that the shell leaves a guard behind, which
 * waits for a line on descriptor 3: none comes when the parent is gone, and then the guard stops the server and removes
 * the folder.
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

/** Returns once the server has said `ready`; rejects, with what it said instead, when it ended or took a minute. */
export const startServer = async (options: {
  readonly command: ReadonlyArray<string>
  /** Where it runs, and what is removed after it if the parent is gone. */
  readonly folder: string
  readonly ready: string
  readonly account?: { readonly uid: number; readonly gid: number }
  readonly env?: NodeJS.ProcessEnv
  /** Is told all that the server writes, in pieces of any length. */
  readonly onLog?: (text: string) => void
}): Promise<Server> => {
  const child = spawn("sh", ["-c", guarded, options.folder, ...options.command], {
    ...options.account,
    ...(options.env === undefined ? {} : { env: options.env }),
    cwd: options.folder,
    // Its own process group: Ctrl-C is for the tests, which then stop the server in their order.
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
  // With the server the guard's work is over; a guard that died too leaves no one to read the line.
  const guard = child.stdio[3]
  guard?.on("error", () => {})
  void exited.then(() => guard !== null && guard !== undefined && "end" in guard && guard.end("dismissed\n"))

  const server = { process: child, exited }
  if (await Promise.race([ready, exited, delay(60_000, false, { ref: false })])) return server
  await stopServer(server, "SIGKILL")
  throw new Error(`The server did not start:\n${log}`)
}

/** Returns once it is gone: by force, if the signal has not ended it after 20 seconds. */
export const stopServer = async (
  { process: child, exited }: Server,
  signal: "SIGINT" | "SIGQUIT" | "SIGKILL"
): Promise<void> => {
  child.kill(signal)
  const isLate = await Promise.race([exited, delay(20_000, true, { ref: false })])
  if (isLate) child.kill("SIGKILL")
  await exited
}

/** Free a moment ago; nobody else is told it, so nobody else takes it but by chance. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new Error("A TCP server has no port.")
  return address.port
}
