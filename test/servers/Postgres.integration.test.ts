import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { type Postgres, startPostgres } from "./Postgres.ts"

const query = <Row extends object>(url: string, text: string) =>
  SqlClient.SqlClient.pipe(
    Effect.flatMap((sql) => sql.unsafe<Row>(text)),
    Effect.provide(PgClient.layer({ url: Redacted.make(url) })),
    Effect.runPromise
  )

const isRunning = (processId: number) => spawnSync("kill", ["-0", String(processId)]).status === 0

describe("a private PostgreSQL", () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
    await query(server.url, "create table kept (n int)")
  })
  afterAll(() => server.stop())
  const inserted = () =>
    query<{ n: number }>(server.url, "select n from kept order by n").then((rows) => rows.map(({ n }) => n))

  it("is durable", async () => {
    assert.deepStrictEqual(await query(server.url, "show fsync"), [{ fsync: "on" }])
  })

  it("keeps its data and its address over a restart", async () => {
    await query(server.url, "insert into kept values (1)")
    await server.restart()
    assert.deepStrictEqual(await inserted(), [1])
  })

  it("keeps what was committed before an immediate stop, and is away until it restarts", async () => {
    await query(server.url, "insert into kept values (2)")
    await server.stopImmediately()
    assert.isUndefined(server.processId())
    const whileAway = await inserted().catch(() => "refused")
    assert.strictEqual(whileAway, "refused")
    await server.restart()
    assert.deepStrictEqual(await inserted(), [1, 2])
  })

  it("restarts read-only, and writable again", async () => {
    await server.restart({ default_transaction_read_only: "on" })
    const write = await query(server.url, "insert into kept values (3)").catch(() => "refused")
    assert.strictEqual(write, "refused")
    await server.restart()
    await query(server.url, "insert into kept values (3)")
    assert.deepStrictEqual(await inserted(), [1, 2, 3])
  })

  it("leaves no process when it stops, even with a session open, and stops twice", async () => {
    const other = await startPostgres()
    const processId = other.processId() ?? assert.fail("a started server has a process")
    assert.isTrue(isRunning(processId))
    const open = query(other.url, "select pg_sleep(60)").catch(() => "cut off")
    await delay(200)
    await other.stop()
    assert.isFalse(isRunning(processId))
    assert.strictEqual(await open, "cut off")
    await other.stop()
  })

  it("stops and cleans up when its parent is killed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "refold-parent-"))
    chmodSync(folder, 0o1777)
    const script = `
      import { startPostgres } from ${JSON.stringify(new URL("./Postgres.ts", import.meta.url).href)}
      const server = await startPostgres()
      console.log(server.url)
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [url] = await once(parent.stdout.setEncoding("utf8"), "data")
    assert.deepStrictEqual(await query(String(url).trim(), "select 1 as n"), [{ n: 1 }])
    parent.kill("SIGKILL")
    const isEmpty = async (attempts: number): Promise<boolean> =>
      readdirSync(folder).length === 0 || (attempts > 0 && (await delay(200).then(() => isEmpty(attempts - 1))))
    assert.isTrue(await isEmpty(60))
    assert.strictEqual(await query(String(url).trim(), "select 1 as n").catch(() => "refused"), "refused")
    rmSync(folder, { recursive: true })
  })
})
