/** The text of a log file: its bytes, unpacked if they are gzip, decoded as UTF-8. */
import { Duplex } from "node:stream"
import { createGunzip } from "node:zlib"
import { Effect, FileSystem, Result, Sink, Stream } from "effect"
import { type Problem, isProblem } from "./EventLogError.ts"

/**
 * The file as pieces of text.
 *
 * **Details**
 *
 * gzip is recognised by its first two bytes, not by the name. A byte order mark is left out. A piece may end anywhere.
 */
export const read = (path: string): Stream.Stream<string, Problem, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fileSystem) => fileSystem.stream(path))).pipe(
    Stream.mapError((cause): Problem => ({
      reason: "FileUnreadable",
      problem: `the file cannot be read (${cause.reason._tag}): check its name and permissions`,
      cause
    })),
    peek(
      (): Uint8Array => new Uint8Array(),
      (head) => head.length < 2,
      (head, bytes) => Buffer.concat([head, bytes]),
      (head, bytes) => (head[0] === 0x1f && head[1] === 0x8b ? gunzip(bytes) : bytes)
    ),
    decode
  )

/**
 * Collects elements into a head until it is long enough or the stream ends. Then passes on the head, and the whole
 * stream with the head in it.
 */
export const peek =
  <A, B, E2, R2>(
    empty: () => A,
    isShort: (head: A) => boolean,
    add: (head: A, next: A) => A,
    use: (head: A, whole: Stream.Stream<A, Problem>) => Stream.Stream<B, E2, R2>
  ) =>
  <R>(self: Stream.Stream<A, Problem, R>): Stream.Stream<B, Problem | E2, R | R2> =>
    Stream.unwrap(
      Effect.map(Stream.peel(self, Sink.reduceWhile(empty, isShort, add)), ([head, rest]) =>
        use(head, Stream.concat(Stream.succeed(head), rest))
      )
    )

/**
 * Also unpacks files of several gzip members, as parallel packers write them. `DecompressionStream` would refuse those.
 */
const gunzip = (bytes: Stream.Stream<Uint8Array, Problem>): Stream.Stream<Uint8Array, Problem> =>
  Stream.unwrap(
    Effect.map(Stream.toReadableStreamEffect(bytes), (readable) =>
      Stream.fromReadableStream({
        evaluate: () => readable.pipeThrough(Duplex.toWeb(createGunzip({ chunkSize: 64 * 1024 }))),
        onError: (cause) => (isProblem(cause) ? cause : brokenGzip(cause))
      })
    )
  )

const brokenGzip = (cause: unknown): Problem => ({
  reason: "BrokenGzip",
  problem: "the gzip data is damaged or cut off: fetch or pack the file again",
  cause
})

const decode = <R>(bytes: Stream.Stream<Uint8Array, Problem, R>): Stream.Stream<string, Problem, R> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    let line = 1
    let before: Uint8Array = new Uint8Array()
    const next = (chunk: Uint8Array): Result.Result<string, Problem> => {
      const text = Result.mapError(
        attempt(() => decoder.decode(chunk, { stream: true })),
        () => notUtf8(line + countLines(textUpToFault(before, chunk)))
      )
      if (Result.isSuccess(text)) line += countLines(text.success)
      before = chunk.slice(-3)
      return text
    }
    const end = (): Result.Result<string, Problem> =>
      Result.mapError(
        attempt(() => decoder.decode()),
        () => notUtf8(line)
      )

    return bytes.pipe(
      Stream.mapEffect((chunk) => Effect.fromResult(next(chunk))),
      Stream.concat(Stream.unwrap(Effect.sync(() => Stream.fromEffect(Effect.fromResult(end())))))
    )
  })

const attempt = (decoding: () => string): Result.Result<string, unknown> => Result.try(decoding)

const notUtf8 = (line: number): Problem => ({
  reason: "InvalidText",
  line,
  problem: "the bytes are not UTF-8: save the file in that encoding"
})

/** Decodes leniently, to find where the strict decoder failed. `before` may have the first bytes of a character. */
const textUpToFault = (before: Uint8Array, chunk: Uint8Array): string => {
  const lenient = new TextDecoder("utf-8")
  const start = before.findIndex((byte) => byte < 0x80 || byte >= 0xc0)
  lenient.decode(start === -1 ? new Uint8Array() : before.subarray(start), { stream: true })
  const text = lenient.decode(chunk)
  const fault = text.indexOf("\uFFFD")
  return fault === -1 ? text : text.slice(0, fault)
}

const countLines = (text: string): number => {
  let count = 0
  for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) count++
  return count
}
