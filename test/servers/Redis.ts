/**
 * A private Redis for tests: real, in memory only, on loopback only, gone with the process that started it.
 *
 * **Details**
 *
 * The server is the `redis-server` or `valkey-server` on the PATH; or else the distribution's own package, unpacked into
 * a folder of ours (nothing is installed, no service starts, no root is needed); or else a container, where Docker runs.
 */
import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
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

/**
 * Asks apt for the packages that are missing here, in lists and caches of our own, and unpacks them. One of several
 * processes does it, under the lock, and the others find its result; what failed halfway leaves no result.
 */
const unpack = `
set -e
test -d "$1/root" && exit 0
echo "Refold's tests unpack the distribution's Redis into $1; nothing is installed." >&2
mkdir -p lists/partial archives/partial
apt() {
  apt-get -qq -o Debug::NoLocking=true -o APT::Sandbox::User= -o Dir::State::lists="$1/lists" \\
    -o Dir::Cache::archives="$1/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$2" $3 >&2
}
apt "$1" update
apt "$1" install "-y --download-only --no-install-recommends redis-server" ||
  apt "$1" install "-y --download-only --no-install-recommends valkey-server"
rm -rf root.new
mkdir root.new
for package in archives/*.deb; do dpkg -x "$package" root.new; done
mv root.new root
rm -rf lists archives
`

const unpacked = (): Launcher | undefined => {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/usr/bin/dpkg")) return undefined
  // Within the checkout: what lies there is ours, unlike what somebody may have laid ready in a shared folder.
  const folder = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "refold-redis")
  mkdirSync(folder, { recursive: true })
  const { status } = spawnSync("flock", [join(folder, "lock"), "sh", "-c", unpack, "unpack", folder], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"]
  })
  const program = names.map((name) => join(folder, "root", "usr", "bin", name)).find(isExecutable)
  if (status !== 0 || program === undefined) return undefined
  const { stdout } = spawnSync("dpkg-architecture", ["-qDEB_HOST_MULTIARCH"], { encoding: "utf8" })
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64"
  const libraries = join(folder, "root", "usr", "lib", stdout?.trim() || `${machine}-linux-gnu`)
  return launch(program, { ...process.env, LD_LIBRARY_PATH: libraries })
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
