/**
 * A private Redis for tests: real, in memory only, on loopback only; it ends with the process that started it.
 *
 * **Details**
 *
 * The server is the `redis-server` or `valkey-server` on the PATH. Otherwise it is the distribution's package, unpacked
 * into a private folder, without installing it, without a service and without root. Otherwise it is a Docker container.
 */
import { spawnSync } from "node:child_process"
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { unpackPackage } from "./DebianPackages.ts"
import { type Server, freePort, startServer, stopServer } from "./ServerProcess.ts"

/** Settings of `redis.conf` for one run, such as `{ maxmemory: "3mb" }`. */
export type Settings = Readonly<Record<string, string>>

export interface Redis {
  /** URL without a password; the same after a restart. */
  readonly url: string
  readonly port: number
  /** Process id of the running server; `undefined` while it is stopped. */
  readonly processId: () => number | undefined
  /** Stops and removes its files. A second stop does nothing; a stopped server cannot start again. */
  readonly stop: () => Promise<void>
  /** Stops as in a power cut. */
  readonly kill: () => Promise<void>
  /** Starts on the same port, empty. Stops a running server first. The settings replace the earlier ones. */
  readonly restart: (settings?: Settings) => Promise<void>
}

/** The server in `REDIS_URL`, which `stop` leaves running, or else a private one. */
export const sharedRedis = async (): Promise<Pick<Redis, "url" | "stop">> => {
  const url = process.env["REDIS_URL"]
  return url === undefined || url === "" ? startRedis() : { url, stop: () => Promise.resolve() }
}

/** Starts a new, empty server. Rejects with the server's output if it cannot start. */
export const startRedis = async (settings: Settings = {}): Promise<Redis> => {
  const launcher = findLauncher()
  const folder = mkdtempSync(join(tmpdir(), "refold-redis-"))
  const port = await freePort()
  const start = (chosen: Settings) => {
    const all = { save: "", appendonly: "no", "maxmemory-policy": "noeviction", ...chosen }
    const flags = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...value.split(" ")])
    return startServer({
      command: [...launcher.command(port), ...flags],
      folder,
      ready: "Ready to accept connections",
      ...(launcher.env === undefined ? {} : { env: launcher.env })
    })
  }
  let server: Server | undefined
  const end = async (signal: "SIGINT" | "SIGKILL") => {
    const ending = server
    server = undefined
    if (ending === undefined) return
    if (signal === "SIGKILL") launcher.beforeKill(port)
    await stopServer(ending, signal)
  }
  const stop = async () => {
    await end("SIGINT")
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    server = await start(settings)
  } catch (cause) {
    await stop()
    throw new Error("Cannot start the Redis that the tests need: install one, or set REDIS_URL.", { cause })
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    processId: () => server?.process.pid,
    stop,
    kill: () => end("SIGKILL"),
    restart: async (chosen = {}) => {
      await end("SIGINT")
      server = await start(chosen)
    }
  }
}

interface Launcher {
  readonly command: (port: number) => ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
  /** What is needed to kill the server besides killing the started process. */
  readonly beforeKill: (port: number) => void
}

const names = ["redis-server", "valkey-server"]

const findLauncher = (): Launcher => {
  const found = onPath() ?? unpacked() ?? container()
  if (found !== undefined) return found
  throw new Error(
    "The tests need Redis: install it (apt-get install redis-server, brew install redis), start Docker, or set REDIS_URL."
  )
}

const launch = (program: string, env?: NodeJS.ProcessEnv): Launcher => ({
  command: (port) => [program, "--bind", "127.0.0.1", "--port", String(port)],
  ...(env === undefined ? {} : { env }),
  beforeKill: () => {}
})

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const onPath = (): Launcher | undefined => {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  const program = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
  return program === undefined ? undefined : launch(program)
}

const unpacked = (): Launcher | undefined => {
  const found = unpackPackage("Redis", names)
  const program = names.map((name) => join(found?.root ?? "", "usr", "bin", name)).find(isExecutable)
  if (found === undefined || program === undefined) return undefined
  return launch(program, { ...process.env, LD_LIBRARY_PATH: found.libraryPath })
}

const container = (): Launcher | undefined => {
  if (spawnSync("docker", ["info"], { stdio: "ignore" }).status !== 0) return undefined
  const name = (port: number) => `refold-redis-${port}`
  return {
    // Attached, so that signals reach the server. SIGKILL is not forwarded, so `docker kill` gets the container's name.
    // prettier-ignore
    command: (port) => [
      "docker", "run", "--rm", "--init", "--name", name(port), "--publish", `127.0.0.1:${port}:6379`,
      "redis:7", "redis-server", "--protected-mode", "no"
    ],
    beforeKill: (port) => void spawnSync("docker", ["kill", name(port)], { stdio: "ignore" })
  }
}
