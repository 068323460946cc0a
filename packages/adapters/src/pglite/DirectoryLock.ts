/**
 * A lock on a data directory: PGlite takes none, and two processes in one directory destroy it.
 *
 * **Details**
 *
 * A file holds the owner's process id. A file whose process is gone is stale, so a killed owner blocks nobody.
 *
 * **Gotchas**
 *
 * Process ids mean nothing to another machine: do not share the directory over a network. Worker threads of one process
 * look the same to each other.
 */
import { StoreError } from "@refold/core"
import { Effect, Result } from "effect"
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"

/** Directories this process holds: its own id in a file does not tell a lock of now from one of an earlier process. */
const held = new Set<string>()

/** Holds the directory, which is made if it is not there, until the scope closes. */
export const acquire = (directory: string) => {
  const path = join(resolve(directory), "lock")
  const own = `${path}.${process.pid}`
  const operation = `Opening the data directory ${directory}`
  const attempt = <A>(run: () => Promise<A>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) =>
        new StoreError({
          operation,
          reason: { _tag: "Unavailable", isRetryable: false, detail: String(cause), cause }
        })
    })
  const locked = (owner: string) =>
    new StoreError({ operation, reason: { _tag: "Locked", detail: `process ${owner}` } })

  /** A link appears with its content or not at all: nobody sees a lock that names no owner yet. */
  const create = attempt(() => link(own, path))

  /** Of several that find the lock stale, renaming lets one have it; who finds it was too late puts the new one back. */
  const takeOver = Effect.gen(function* () {
    const owner = yield* attempt(() => readFile(path, "utf8"))
    if (owner !== String(process.pid) && isAlive(Number(owner))) return yield* locked(owner)
    const stale = `${own}.stale`
    yield* attempt(() => rename(path, stale))
    const renamed = yield* attempt(() => readFile(stale, "utf8"))
    yield* renamed === owner ? create : attempt(() => link(stale, path))
    yield* attempt(() => rm(stale))
    if (renamed !== owner) return yield* locked(renamed)
  }).pipe(
    Effect.catchIf(
      (error) => isCode(error, "EEXIST") || isCode(error, "ENOENT"),
      () => Effect.fail(locked("of another owner, a moment ago"))
    )
  )

  const take = attempt(() => writeFile(own, String(process.pid))).pipe(
    Effect.andThen(
      Effect.catchIf(
        create,
        (error) => isCode(error, "EEXIST"),
        () => takeOver
      )
    ),
    Effect.ensuring(Effect.promise(() => rm(own, { force: true }))),
    (taking) =>
      Effect.andThen(
        attempt(() => mkdir(resolve(directory), { recursive: true })),
        taking
      )
  )

  const release = Effect.promise(() => rm(path, { force: true }))

  return Effect.acquireRelease(
    Effect.suspend(() => {
      if (held.has(path)) return Effect.fail(locked(String(process.pid)))
      held.add(path)
      return Effect.onError(take, () => Effect.sync(() => held.delete(path)))
    }),
    () =>
      Effect.ensuring(
        release,
        Effect.sync(() => held.delete(path))
      )
  )
}

const isCode = (error: StoreError, code: string): boolean =>
  error.cause instanceof Error && "code" in error.cause && error.cause.code === code

/** Signal 0 reaches a process without touching it; one of another user answers EPERM, and is alive. */
const isAlive = (pid: number): boolean =>
  Number.isInteger(pid) &&
  pid > 0 &&
  Result.match(
    Result.try(() => process.kill(pid, 0)),
    {
      onSuccess: () => true,
      onFailure: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
    }
  )
