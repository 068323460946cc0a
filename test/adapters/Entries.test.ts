import * as eventlog from "@refold/adapters/eventlog"
import * as pglite from "@refold/adapters/pglite"
import * as postgres from "@refold/adapters/postgres"
import * as redis from "@refold/adapters/redis"
import { DriverMissing, drivers, load } from "@refold/adapters/src/entries/Drivers"
import * as eventlogEntry from "@refold/adapters/src/entries/eventlog"
import * as pgliteEntry from "@refold/adapters/src/entries/pglite"
import * as postgresEntry from "@refold/adapters/src/entries/postgres"
import * as redisEntry from "@refold/adapters/src/entries/redis"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const manifest = JSON.parse(readFileSync(new URL("../../packages/adapters/package.json", import.meta.url), "utf8"))

const notFound = (name: string) =>
  Object.assign(new Error(`Cannot find package '${name}' imported from /somewhere/A.js`), {
    code: "ERR_MODULE_NOT_FOUND"
  })

const failureOf = (cause: unknown) =>
  load("eventlog", () => Promise.reject(cause)).then(
    () => undefined,
    (error: unknown) => error
  )

describe("Entries of adapters", () => {
  it("export what their types say", () => {
    assert.deepStrictEqual({ ...eventlogEntry }, { ...eventlog })
    assert.deepStrictEqual({ ...pgliteEntry }, { ...pglite })
    assert.deepStrictEqual({ ...postgresEntry }, { ...postgres })
    assert.deepStrictEqual({ ...redisEntry }, { ...redis })
  })

  it("every entry but memory is published with the drivers that it needs", () => {
    const entries = Object.keys(manifest.exports).filter((path) => !path.endsWith(".json") && !path.endsWith("*"))
    assert.sameMembers(entries, ["./memory", ...Object.keys(drivers).map((entry) => `./${entry}`)])
    for (const entry of Object.keys(drivers)) {
      assert.strictEqual(manifest.exports[`./${entry}`].default, `./dist/entries/${entry}.js`)
    }
  })

  it("name the versions of the manifest's optional peers", () => {
    const { effect: _effect, ...peers } = manifest.peerDependencies
    assert.deepStrictEqual(Object.assign({}, ...Object.values(drivers)), peers)
    assert.sameMembers(Object.keys(manifest.peerDependenciesMeta), Object.keys(peers))
  })

  it("say which driver is missing, and what to run", async () => {
    const failure = await failureOf(notFound("date-fns"))
    assert.instanceOf(failure, DriverMissing)
    assert.strictEqual(
      failure.message,
      "@refold/adapters/eventlog needs the package date-fns, which is not installed. " +
        'Run: npm install "saxes@^6.0.0" "date-fns@^4.4.0" "@date-fns/utc@^2.1.1"'
    )
  })

  it("leave every other failure as it is", async () => {
    for (const cause of [notFound("some-other"), new Error("Cannot find package 'saxes'"), "saxes"]) {
      assert.strictEqual(await failureOf(cause), cause)
    }
  })
})
