/** A network between a client and a server on loopback that can be cut, stalled, or left half open. */
import { once } from "node:events"
import { type Socket, connect, createServer } from "node:net"

export interface TcpProxy {
  readonly port: number
  /** The server's URL through the proxy. */
  readonly url: string
  /** The number of open client connections. */
  readonly connectionCount: () => number
  /** Until `resume`, resets every connection, also new ones. */
  readonly cut: () => void
  /** Until `resume`, forwards nothing in either direction and keeps connections open, also new ones. */
  readonly hang: () => void
  /** Until `resume`, forwards the client's data and holds back the server's answers. */
  readonly mute: () => void
  /** Closes the server's end of every connection for good, without notifying the client. New connections work. */
  readonly halfOpen: () => void
  /** Forwards again: on new connections, and on stalled ones from where they stopped. */
  readonly resume: () => void
  /** Resets every connection and releases the port. A second stop does nothing. */
  readonly stop: () => Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Whether the server's end is closed without the client's knowledge. */
  isHalfOpen: boolean
}

type State = "forwarding" | "cut" | "hanging" | "muted"

/** Starts a proxy in front of the server in a URL such as `redis://127.0.0.1:6379`. The URL must include the port. */
export const startTcpProxy = async (target: string): Promise<TcpProxy> => {
  const { hostname, port: targetPort } = new URL(target)
  const pairs = new Set<Pair>()
  let state: State = "forwarding"

  /** A paused socket is not read. Data for it stays in the buffers of the operating system, and so at its sender. */
  const apply = ({ client, isHalfOpen, server }: Pair) => {
    const isClientHeld = state === "hanging" || server.writableNeedDrain
    const isServerHeld = state !== "forwarding" || client.writableNeedDrain
    if (isClientHeld && !isHalfOpen) client.pause()
    else client.resume()
    if (isServerHeld) server.pause()
    else server.resume()
  }

  const forward = (pair: Pair, from: Socket, to: Socket) => {
    from.on("data", (bytes) => {
      if (!pair.isHalfOpen && !to.write(bytes)) apply(pair)
    })
    from.on("drain", () => apply(pair))
    from.on("end", () => {
      if (!pair.isHalfOpen) to.end()
    })
    from.on("error", () => {
      if (!pair.isHalfOpen) to.destroy()
    })
  }

  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    if (state === "cut") {
      client.resetAndDestroy()
      return
    }
    const server = connect({ host: hostname, port: Number(targetPort), allowHalfOpen: true })
    const pair = { client, server, isHalfOpen: false }
    pairs.add(pair)
    forward(pair, client, server)
    forward(pair, server, client)
    client.on("end", () => {
      if (pair.isHalfOpen) client.destroy()
    })
    client.on("close", () => {
      pairs.delete(pair)
      server.end()
    })
    apply(pair)
  }).listen(0, "127.0.0.1")
  await once(proxy, "listening")
  const address = proxy.address()
  if (address === null || typeof address === "string") throw new Error("A TCP server has no port.")

  const become = (next: State) => {
    state = next
    for (const pair of pairs) apply(pair)
  }
  const cut = () => {
    state = "cut"
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
  }
  const closed = once(proxy, "close")
  const url = new URL(target)
  url.hostname = "127.0.0.1"
  url.port = String(address.port)
  return {
    port: address.port,
    url: url.href,
    connectionCount: () => pairs.size,
    cut,
    hang: () => become("hanging"),
    mute: () => become("muted"),
    halfOpen: () => {
      for (const pair of pairs) {
        pair.isHalfOpen = true
        pair.server.destroy()
        apply(pair)
      }
    },
    resume: () => become("forwarding"),
    stop: async () => {
      cut()
      proxy.close()
      await closed
    }
  }
}
