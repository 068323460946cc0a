import { once } from "node:events"
import { type Socket, connect, createServer } from "node:net"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { freePort } from "./ServerProcess.ts"
import { type TcpProxy, startTcpProxy } from "./TcpProxy.ts"

/** Unlike `once(socket, "close")`, does not reject on the error before. */
const closing = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()))

/** A server that echoes its input, and keeps a list of its connections. */
describe("a proxy", () => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("data", (bytes) => void socket.write(bytes)).on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  let port: number
  let proxy: TcpProxy

  const listen = async () => {
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
  }
  beforeEach(async () => {
    port = await freePort()
    await listen()
    proxy = await startTcpProxy(`tcp://user:secret@127.0.0.1:${port}/path`)
  })
  afterEach(async () => {
    await proxy.stop()
    server.close()
    await once(server, "close")
  })

  /** A client that collects its input. */
  const opened = async () => {
    const socket = connect(proxy.port, "127.0.0.1")
    let received = ""
    socket.setEncoding("utf8").on("data", (text: string) => {
      received += text
    })
    socket.on("error", () => {})
    const closed = closing(socket)
    await once(socket, "connect")
    return {
      socket,
      closed,
      received: () => received,
      /** The input, once it has this length. */
      heard: (length: number) =>
        new Promise<string>((resolve) => {
          const look = () => {
            if (received.length >= length) resolve(received)
          }
          socket.on("data", look)
          look()
        })
    }
  }

  /** All earlier writes have been forwarded as far as possible, because this one came through another connection. */
  const settled = async () => {
    const witness = await opened()
    witness.socket.write("witness")
    assert.strictEqual(await witness.heard(7), "witness")
    witness.socket.end()
    await witness.closed
  }

  it("carries both ways, and says where: all of the URL but host and port is the server's", async () => {
    const client = await opened()
    client.socket.write("hello")
    assert.strictEqual(await client.heard(5), "hello")
    assert.strictEqual(proxy.url, `tcp://user:secret@127.0.0.1:${proxy.port}/path`)
    assert.strictEqual(proxy.connectionCount(), 1)
    client.socket.end()
    await client.closed
    assert.strictEqual(client.received(), "hello")
  })

  it("carries more than its buffers hold, to a client that reads late", async () => {
    const client = await opened()
    const text = "0123456789abcdef".repeat(500_000)
    client.socket.pause()
    client.socket.write(text)
    await settled()
    client.socket.resume()
    assert.strictEqual(await client.heard(text.length), text)
    client.socket.destroy()
  })

  it("passes on that the server closed, after all that it said", async () => {
    const client = await opened()
    const text = "farewell".repeat(100_000)
    client.socket.write("hello")
    assert.strictEqual(await client.heard(5), "hello")
    for (const socket of sockets) socket.end(text)
    await client.closed
    assert.strictEqual(client.received(), `hello${text}`)
  })

  it("cut: every connection is reset, on both sides, and new ones are too until it resumes", async () => {
    const client = await opened()
    client.socket.write("hello")
    assert.strictEqual(await client.heard(5), "hello")
    const lost = Promise.all([...sockets].map(closing))
    const failed = once(client.socket, "error")
    proxy.cut()
    const [error] = await failed
    assert.strictEqual(error.code, "ECONNRESET")
    await lost
    assert.strictEqual(proxy.connectionCount(), 0)

    const refused = connect(proxy.port, "127.0.0.1")
    refused.on("error", () => {})
    await closing(refused)
    assert.strictEqual(sockets.size, 0)

    proxy.resume()
    await settled()
  })

  it("hang: nothing is carried and nobody is told, nor of new connections; all of it arrives when it resumes", async () => {
    const before = await opened()
    before.socket.write("a")
    assert.strictEqual(await before.heard(1), "a")
    proxy.hang()
    before.socket.write("b")
    const during = await opened()
    during.socket.write("c")
    for (const socket of sockets) socket.write("unasked")
    // A forwarded write would arrive within the next turns of the event loop.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    assert.deepStrictEqual([before.received(), during.received()], ["a", ""])
    assert.isFalse(before.socket.destroyed || during.socket.destroyed)
    proxy.resume()
    assert.deepStrictEqual(await Promise.all([before.heard(9), during.heard(1)]), ["aunaskedb", "c"])
    before.socket.destroy()
    during.socket.destroy()
  })

  it("mute: the server hears and its answers are held back until it resumes", async () => {
    const client = await opened()
    client.socket.write("a")
    assert.strictEqual(await client.heard(1), "a")
    const heard = Promise.all([...sockets].map((socket) => once(socket, "data")))
    proxy.mute()
    client.socket.write("b")
    assert.strictEqual(String((await heard)[0]), "b")
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    assert.strictEqual(client.received(), "a")
    proxy.resume()
    assert.strictEqual(await client.heard(2), "ab")
    client.socket.destroy()
  })

  it("half open: the server's end is gone, the client's stays open and is answered no more; new ones are served", async () => {
    const client = await opened()
    client.socket.write("a")
    assert.strictEqual(await client.heard(1), "a")
    const lost = Promise.all([...sockets].map(closing))
    proxy.halfOpen()
    await lost
    client.socket.write("b")
    await settled()
    assert.strictEqual(client.received(), "a")
    assert.isFalse(client.socket.destroyed)
    client.socket.end()
    await client.closed
    assert.strictEqual(proxy.connectionCount(), 0)
  })

  it("a server that is away closes the connection; the proxy serves it when it is back", async () => {
    server.close()
    await once(server, "close")
    const client = await opened()
    await client.closed
    await listen()
    const next = await opened()
    next.socket.write("back")
    assert.strictEqual(await next.heard(4), "back")
    next.socket.destroy()
  })

  it("stops with connections open, in any state, and twice; nobody listens then", async () => {
    const client = await opened()
    proxy.hang()
    await Promise.all([proxy.stop(), client.closed])
    await proxy.stop()
    const refused = connect(proxy.port, "127.0.0.1")
    const [error] = await once(refused, "error")
    assert.strictEqual(error.code, "ECONNREFUSED")
  })
})
