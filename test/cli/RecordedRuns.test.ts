/** `refold recorded-runs` as a team uses it: export beside the data, check before a deploy. */
import { appendFile, cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { complaint, refold, refoldOfExamples } from "./refold.ts"

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "refold-cli-"))
})

afterAll(() => rm(directory, { recursive: true }))

const golden = join(import.meta.dirname, "../recording/golden")

/** A directory of its own with the golden runs of one workflow version. */
const goldenOf = async (name: string, prefix: string) => {
  const target = join(directory, name)
  await cp(golden, target, { recursive: true, filter: (path) => path === golden || path.includes(`${prefix}.`) })
  return { target, files: (await readdir(target)).toSorted() }
}

describe("refold recorded-runs export", () => {
  it("writes, redacted, what a program with the definition reads as it was", async () => {
    const of = ["--tenant", "acme", "--execution", "inv-1"]
    await refoldOfExamples(directory, ["start", "--workflow", "invoice", ...of, "--data", `{"customer":"Globex"}`])
    const line = `{"text":"Turbine","cents":1200}`
    await refoldOfExamples(directory, ["submit", ...of, "--event", "LineAdded", "--payload", line, "--user", "sue"])

    const hidden = ["recorded-runs", "export", "--tenant", "acme", "--sample", "5", "--redact", "--out", "hidden"]
    expect((await refoldOfExamples(directory, hidden)).stdout).toMatch(/runs written +1 to hidden/)
    const [redacted = ""] = await readdir(join(directory, "hidden"))
    const text = await readFile(join(directory, "hidden", redacted), "utf8")
    expect(text).toContain(`"cents":1200`)
    expect(text).not.toMatch(/Globex|Turbine|sue|acme|inv-1/)

    const checked = await refoldOfExamples(directory, ["recorded-runs", "check", "hidden", "--json"])
    expect([checked.code, checked.stderr]).toEqual([0, ""])
    expect(JSON.parse(checked.stdout)).toMatchObject({ runCount: 1, eventCount: 2, failedCount: 0 })
  })
})

describe("refold recorded-runs check", () => {
  it("says per event what is not as it was, counts, and ends with 1", async () => {
    const { files, target } = await goldenOf("changed", "order.v1")
    const [file = ""] = files
    const text = await readFile(join(target, file), "utf8")
    await writeFile(join(target, file), text.replace(`"cents":4200,"packedCount":0`, `"cents":4100,"packedCount":0`))

    const checked = await refoldOfExamples(directory, ["recorded-runs", "check", target])
    expect(checked.code).toBe(1)
    expect(checked.stdout).toContain(`✗ ${file}, order version 1, golden/order-whole\n`)
    expect(checked.stdout).toContain("  2. Paid: data\n     /cents was 4100, now 4200\n")
    expect(checked.stdout).toMatch(/recorded runs +1\n[^]*with another outcome +1\n/)
    expect(complaint(checked)).toBe("refold: 1 of 1 recorded run failed the check: 1 with another outcome")
  })

  it("names and counts an unknown workflow, a newer schema and a broken line", async () => {
    const { files, target } = await goldenOf("broken", "invoice.v1")
    const [first = "", second = "", third = ""] = files
    const replace = async (file: string, from: string, to: string) =>
      writeFile(join(target, file), (await readFile(join(target, file), "utf8")).replace(from, to))
    await replace(first, `"name":"invoice","version":1`, `"name":"invoice","version":7`)
    const lines = (await readFile(join(target, second), "utf8")).split("\n")
    await writeFile(
      join(target, second),
      lines.with(2, lines[2]?.replace(`"schema_version":1`, `"schema_version":2`) ?? "").join("\n")
    )
    await appendFile(join(target, third), "{\n")

    const checked = await refoldOfExamples(directory, ["recorded-runs", "check", target])
    expect(checked.code).toBe(1)
    expect(checked.stdout).toContain(
      `✗ ${first}, invoice version 7\n  workflow "invoice" version 7 is not registered here`
    )
    expect(checked.stdout).toContain(
      `2. LineAdded: its payload has schema version 2, and this build reads up to version 1`
    )
    expect(checked.stdout).toMatch(/line \d+: it is not JSON/)
    expect(complaint(checked)).toContain("1 with an unknown workflow, 1 with a newer schema, 1 with a broken line")

    const piped = await refoldOfExamples(directory, ["recorded-runs", "check", target, "--jsonl"])
    expect(piped.code).toBe(1)
    const runs = piped.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(runs.map(({ file }) => file)).toEqual(files)
    expect(runs[0].problem).toEqual({ _tag: "UnknownWorkflow", name: "invoice", version: 7 })
  })

  it("of a program without definitions names every typed workflow as unknown", async () => {
    const checked = await refold(directory, ["recorded-runs", "check", golden, "--json"])
    expect(checked.code).toBe(1)
    expect(JSON.parse(checked.stdout)).toMatchObject({ runCount: 14, unknownWorkflowCount: 13, failedCount: 13 })
  })

  it("says where it found nothing to check", async () => {
    const empty = await mkdtemp(join(directory, "empty-"))
    const nothing = await refold(directory, ["recorded-runs", "check", empty])
    expect([nothing.code, nothing.stdout]).toEqual([1, ""])
    expect(complaint(nothing)).toContain("has no recorded run")
  })
})
