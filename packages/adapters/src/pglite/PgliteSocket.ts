/**
 * PGlite as a socket: a stream of PostgreSQL's wire protocol that is answered in this process. So the ordinary client,
 * with its types, errors, transactions and migrations, works on the embedded database.
 */
import type { PGlite } from "@electric-sql/pglite"
import { Duplex } from "node:stream"

/** The code that a client sends instead of a protocol version to cancel a query. */
const cancelRequest = 80877102

const terminate = "X".charCodeAt(0)

/**
 * One connection. PGlite has one session, so only one of these may be open at a time.
 *
 * **Gotchas**
 *
 * A query runs on the JavaScript thread and cannot be cancelled.
 */
export class PgliteSocket extends Duplex {
  readonly #database: PGlite
  #received: Buffer = Buffer.alloc(0)
  #isStarted = false

  constructor(database: PGlite) {
    super()
    this.#database = database
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const end = this.#endOfWholeMessages()
    if (end === undefined) {
      this.push(null)
      done()
      return
    }
    if (end === 0) {
      done()
      return
    }
    const messages = new Uint8Array(this.#received.subarray(0, end))
    this.#received = this.#received.subarray(end)
    this.#database
      .runExclusive(() => this.#database.execProtocolRaw(messages))
      .then((answer) => {
        this.push(answer)
        done()
      }, done)
  }

  /**
   * The session outlives the connection, but its open transaction and prepared statements must not. A connection that
   * never started, such as that of a cancel request, does not reset the session of another.
   */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const reset = this.#database.closed || !this.#isStarted ? Promise.resolve() : this.#reset()
    reset.then(
      () => done(error),
      (failure: Error) => done(error ?? failure)
    )
  }

  async #reset(): Promise<void> {
    await this.#database.exec("rollback")
    await this.#database.exec("deallocate all")
  }

  /** How many of the received bytes are whole messages; undefined if the client ends the connection. */
  #endOfWholeMessages(): number | undefined {
    const bytes = this.#received
    let end = 0
    if (!this.#isStarted) {
      if (bytes.length < 8) return 0
      if (bytes.readInt32BE(4) === cancelRequest) return undefined
      end = bytes.readInt32BE(0)
      if (bytes.length < end) return 0
      this.#isStarted = true
    }
    while (bytes.length - end >= 5) {
      const next = end + 1 + bytes.readInt32BE(end + 1)
      if (bytes.length < next) break
      if (bytes[end] === terminate) return undefined
      end = next
    }
    return end
  }
}
