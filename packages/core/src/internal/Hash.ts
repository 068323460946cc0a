/**
 * SHA-256 of text. Fingerprints and state hashes are pure functions, so the hash must be synchronous and run in every
 * JavaScript engine: neither Effect's `Digest` service nor `node:crypto` does both. See docs/decisions/0027.
 */
import { sha256 as sha256OfBytes } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"

/** SHA-256 of the text's UTF-8 bytes, as lower-case hex. */
export const sha256 = (text: string): string => bytesToHex(sha256OfBytes(encoder.encode(text)))

const encoder = new TextEncoder()
