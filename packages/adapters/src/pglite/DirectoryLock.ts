/**
 * A lock on a data directory. PGlite takes none, and two processes would destroy the directory.
 *
 * **Details**
 *
 * A file has the owner's process id. It is stale once that process is gone, so a killed owner blocks nobody.
 *
 * **Gotchas**
 *
 * A process id means nothing on another machine: do not share the directory over a network. Worker threads of one
 * process have the same id.
 */
import { StoreError } from "@refold/core"
import { Effect, Result } from "effect"
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"

/** Directories that this process holds. Its own id in a file may also be that of an earlier process. */
const held = new Set<string>()

/** Locks the directory until the scope closes. Creates it if it does not exist. */
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

  /** A link appears together with its content, so nobody sees a lock without an owner. */
  const create = attempt(() => link(own, path))

  /**
   * Several processes may find the lock stale: only one can rename it. A process that renamed a newer lock puts it
   * back.
   */
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

/** Signal 0 only checks that a process exists. EPERM means that it does, and is another user's. */
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
