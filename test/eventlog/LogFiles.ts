/** Log files in memory, split into pieces that the test chooses. */
import { gzipSync } from "node:zlib"
import { EventLog } from "@refold/adapters/eventlog"
import { Effect, FileSystem, Stream } from "effect"

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export const gzipOf = (text: string): Uint8Array => new Uint8Array(gzipSync(bytesOf(text)))

export const piecesOf = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))

/** A file system whose every file has this content. */
const holding = (pieces: ReadonlyArray<Uint8Array>) =>
  FileSystem.layerNoop({ stream: () => Stream.fromIterable(pieces).pipe(Stream.rechunk(1)) })

export const readPieces = (source: EventLog.Source, pieces: ReadonlyArray<Uint8Array>) =>
  EventLog.read(source).pipe(Stream.runCollect, Effect.provide(holding(pieces)))

export const readBytes = (source: EventLog.Source, bytes: Uint8Array) => readPieces(source, [bytes])

export const readText = (source: EventLog.Source, text: string) => readBytes(source, bytesOf(text))

/** The rows read before the error, and the error; the file comes in pieces as from a disk. */
export const readToError = (source: EventLog.Source, bytes: Uint8Array) =>
  Effect.gen(function* () {
    const places: Array<number> = []
    const error = yield* EventLog.read(source).pipe(
      Stream.runForEach((row) => Effect.sync(() => places.push(row.place))),
      Effect.provide(holding(piecesOf(bytes, 64 * 1024))),
      Effect.flip
    )
    return { places, reason: error.reason, line: error.line, column: error.column, message: error.message }
  })

export const errorOf = (source: EventLog.Source, text: string) => readToError(source, bytesOf(text))
