/** Secure random bytes for ids, drawn in bulk: one system call per id would dominate its cost. */
import { Effect, Layer } from "effect"
import { SecureRandom, WebCrypto } from "effect/crypto"

/** Enough for a hundred ids. */
const poolSize = 1600

export const layer = Layer.effect(
  SecureRandom.SecureRandom,
  Effect.map(WebCrypto.WebCrypto, (crypto) => {
    let pool = new Uint8Array(0)
    let used = 0
    return SecureRandom.make((size) => {
      if (used + size > pool.length) {
        pool = crypto.getRandomValues(new Uint8Array(Math.max(size, poolSize)))
        used = 0
      }
      used += size
      return pool.slice(used - size, used)
    })
  })
)
