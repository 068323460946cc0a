import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Redis as Client } from "ioredis"
import { type Redis, startRedis } from "./Redis.ts"

const asking = async <A>(url: string, question: (client: Client) => Promise<A>): Promise<A> => {
  const client = new Client(url, { lazyConnect: true, retryStrategy: null })
  client.on("error", () => {})
  try {
    await client.connect()
    return await question(client)
  } finally {
    client.disconnect()
  }
}

const ping = (url: string) => asking(url, (client) => client.ping()).catch(() => "refused")

const isRunning = (processId: number) => spawnSync("kill", ["-0", String(processId)]).status === 0

describe("a private Redis", () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  it("keeps nothing on disk, and evicts nothing", async () => {
    const settings = await asking(server.url, (client) =>
      client.config("GET", "save", "appendonly", "maxmemory-policy")
    )
    assert.deepStrictEqual(settings.toSorted(), ["", "appendonly", "maxmemory-policy", "no", "noeviction", "save"])
  })

  it("listens on loopback alone", async () => {
    const [, address] = await asking(server.url, (client) => client.config("GET", "bind"))
    assert.strictEqual(address, "127.0.0.1")
  })

  it("restarts at the same address, empty, with other settings", async () => {
    await asking(server.url, (client) => client.set("kept", "no"))
    await server.restart({ maxmemory: "7mb" })
    const [size, memory] = await asking(server.url, (client) =>
      Promise.all([client.dbsize(), client.config("GET", "maxmemory")])
    )
    assert.deepStrictEqual([size, memory], [0, ["maxmemory", "7340032"]])
  })

  it("is away after a kill until it restarts", async () => {
    const processId = server.processId() ?? assert.fail("a started server has a process")
    await server.kill()
    assert.isFalse(isRunning(processId))
    assert.isUndefined(server.processId())
    assert.strictEqual(await ping(server.url), "refused")
    await server.restart()
    assert.strictEqual(await ping(server.url), "PONG")
  })

  it("leaves no process when it stops, and stops twice", async () => {
    const other = await startRedis()
    const processId = other.processId() ?? assert.fail("a started server has a process")
    assert.isTrue(isRunning(processId))
    await other.stop()
    assert.isFalse(isRunning(processId))
    await other.stop()
  })

  it("says what it could not do when a setting is wrong", async () => {
    const failure = await startRedis({ "no-such-setting": "1" }).catch((error: unknown) => error)
    assert.instanceOf(failure, Error)
    assert.include(String(failure.cause), "no-such-setting")
  })

  it("stops and cleans up when its parent is killed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "refold-parent-"))
    const script = `
      import { startRedis } from ${JSON.stringify(new URL("./Redis.ts", import.meta.url).href)}
      const server = await startRedis()
      console.log(server.url)
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [url] = await once(parent.stdout.setEncoding("utf8"), "data")
    assert.strictEqual(await ping(String(url).trim()), "PONG")
    parent.kill("SIGKILL")
    const isEmpty = async (attempts: number): Promise<boolean> =>
      readdirSync(folder).length === 0 || (attempts > 0 && (await delay(200).then(() => isEmpty(attempts - 1))))
    assert.isTrue(await isEmpty(60))
    assert.strictEqual(await ping(String(url).trim()), "refused")
    rmSync(folder, { recursive: true })
  })
})
