import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { sha256 } from "@refold/core/src/internal/Hash"

const nodes = (text: string) => createHash("sha256").update(text).digest("hex")

describe("sha256", () => {
  it("knows the answers of FIPS 180-4", () => {
    assert.strictEqual(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert.strictEqual(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })

  it("is Node's at every length around two block borders", () => {
    for (let length = 0; length <= 200; length++)
      assert.strictEqual(sha256("a".repeat(length)), nodes("a".repeat(length)))
  })

  it("is Node's for long texts", () => {
    for (const text of ["x".repeat(1_000_000), "🙂é".repeat(50_001)]) assert.strictEqual(sha256(text), nodes(text))
  })

  it("is Node's for any text", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) =>
        assert.strictEqual(sha256(text), nodes(text))
      ),
      { numRuns: 1000 }
    ))
})
