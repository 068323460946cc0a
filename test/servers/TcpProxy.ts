/** A network between a client and a server on loopback, to be cut, hung, and left half open. */
import { once } from "node:events"
import { type Socket, connect, createServer } from "node:net"

export interface TcpProxy {
  readonly port: number
  /** The server's URL, by way of the proxy. */
  readonly url: string
  /** Connections of clients that are open now. */
  readonly connectionCount: () => number
  /** Resets every connection, and every new one as soon as it is made, until `resume`. */
  readonly cut: () => void
  /** Forwards nothing in either direction, and keeps connections open; so does it with new ones, until `resume`. */
  readonly hang: () => void
  /** Holds back the answers of the server, and forwards what the client sends, until `resume`. */
  readonly mute: () => void
  /** The server's end of every connection is gone, for good, and the client is not told. New connections are as before. */
  readonly halfOpen: () => void
  /** Forwards again: new connections, and, from where they were, those that hang. */
  readonly resume: () => void
  /** Resets every connection and gives the port back. Stopping twice is fine. */
  readonly stop: () => Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Whether the server's end is gone without the client's knowing. */
  isHalfOpen: boolean
}

type State = "forwarding" | "cut" | "hanging" | "muted"

/** Starts one in front of the server that a URL names, such as `redis://127.0.0.1:6379`; it must name the port. */
export const startTcpProxy = async (target: string): Promise<TcpProxy> => {
  const { hostname, port: targetPort } = new URL(target)
  const pairs = new Set<Pair>()
  let state: State = "forwarding"

  /** A paused socket is not read; what it is sent waits in the buffers of the operating system, and so at its sender. */
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
