/**
 * A private Redis for tests: real, in memory only, on loopback only, gone with the process that started it.
 *
 * **Details**
 *
 * The server is the `redis-server` or `valkey-server` on the PATH; or else the distribution's own package, unpacked into
 * a folder of ours (nothing is installed, no service starts, no root is needed); or else a container, where Docker runs.
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
  /** The same after a restart; without a password. */
  readonly url: string
  readonly port: number
  /** Of the running server; `undefined` while it is stopped. */
  readonly processId: () => number | undefined
  /** Stops and removes its files. Stopping twice is fine; there is no start after it. */
  readonly stop: () => Promise<void>
  /** Stops as in a power cut. */
  readonly kill: () => Promise<void>
  /** Starts on the same port, empty, after a stop if it runs. The settings replace those of the last start. */
  readonly restart: (settings?: Settings) => Promise<void>
}

/** The server that `REDIS_URL` names, left alone by `stop`, or else a private one. */
export const sharedRedis = async (): Promise<Pick<Redis, "url" | "stop">> => {
  const url = process.env["REDIS_URL"]
  return url === undefined || url === "" ? startRedis() : { url, stop: () => Promise.resolve() }
}

/** A new, empty server; rejects, with what the server said, if it cannot start. */
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
  /** What it takes to kill the server besides killing the process that was started. */
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
    // Attached, so that signals reach the server. SIGKILL cannot be passed on: the container is told by name.
    // prettier-ignore
    command: (port) => [
      "docker", "run", "--rm", "--init", "--name", name(port), "--publish", `127.0.0.1:${port}:6379`,
      "redis:7", "redis-server", "--protected-mode", "no"
    ],
    beforeKill: (port) => void spawnSync("docker", ["kill", name(port)], { stdio: "ignore" })
  }
}
