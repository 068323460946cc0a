/** The documents are true: their code is from files that compile and run, and their links and commands exist. */
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

interface Block {
  readonly language: string
  /** The text after the language: the file that contains the code. */
  readonly file: string
  readonly text: string
}

const blocksOf = (text: string): ReadonlyArray<Block> =>
  [...text.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)].map(([, language = "", file = "", code = ""]) => ({
    language,
    file,
    text: code
  }))

/** Text without indentation, because an excerpt may be less indented than its file. */
const flat = (text: string): string => text.replaceAll(/^ +/gm, "").trim()

/** Anchors of headings, as GitHub makes them. */
const anchorsOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-")
  )

/** The output of Node running a file; rejects if the run fails. `vitest.config.ts` makes it run the sources. */
const run = async (path: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { DATABASE_URL: _, REDIS_URL: __, REFOLD_SCHEMA: ___, REFOLD_NAMESPACE: ____, ...env } = process.env
  return (await promisify(execFile)(process.execPath, [join(root, path), ...args], { cwd: root, env })).stdout
}

/** For tests that start processes, on a machine that runs other tests at the same time. */
const slow = { timeout: 180_000 }

const commandLine = "packages/cli/src/main.ts"

const documents = globSync(["README.md", "ARCHITECTURE.md", "docs/**/*.md", "packages/*/README.md"], { cwd: root }).map(
  (path) => ({
    path: path.replaceAll("\\", "/"),
    text: read(path)
  })
)
const readme = read("README.md")

describe("README", () => {
  it("shows examples/readme.ts, whole", () => {
    const [program, ...others] = blocksOf(readme).filter(({ language }) => language === "ts")

    assert.strictEqual(program?.text, read("examples/readme.ts"))
    assert.deepStrictEqual(others, [])
  })

  it("prints what it says that program prints", slow, async () => {
    const output = blocksOf(readme).find(({ language }) => language === "text")

    assert.strictEqual(await run("examples/readme.ts"), output?.text)
  })
})

describe("The README's commands", () => {
  const folder = mkdtempSync(join(tmpdir(), "refold-readme-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("run one after the other, and find nothing wrong", slow, async () => {
    // Commands with a worker need servers; `Workers.integration.test.ts` runs them.
    const lines = blocksOf(readme)
      .filter(({ text }) => !text.includes("refold worker"))
      .flatMap(({ text }) => [...text.matchAll(/^npx refold (.*)$/gm)])
    let output = ""
    for (const [, line = ""] of lines) {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare = ""]) => quoted ?? bare)
      output = await run(commandLine, ...words, "--data-dir", folder)
    }

    assert.match(output, /findings +0/)
  })
})

/** Output at the end of each example, if it ran correctly. */
const ends = {
  "01": /position 7 +Paid/,
  "02": /12 executions +43 events +0 findings/,
  "03": /events queued +(\d+)\n +events in the log +\1\n +lost +0\n +applied twice +0\n +out of order +0\n +gaps in positions +0\n/,
  "04": /\n(\d+) planted, \1 caught\n/,
  "05": /WorkflowExecutionModel +(\d+) of \1\n[^]*expected: 1\n +found: 0\n$/
}

describe("Examples", () => {
  it.each(Object.entries(ends))("%s runs to its end", slow, async (number, end) => {
    const output = await run("examples/run.ts", number)

    assert.isAtMost(output.split("\n").length, 60)
    assert.match(output, end)
  })

  it.each([{ args: [] }, { args: ["99"] }])(
    "with the arguments $args it lists them and exits with 2",
    async ({ args }) => {
      const failure = await run("examples/run.ts", ...args).then(
        () => undefined,
        (error: unknown) => error
      )

      assert.include(failure, { code: 2 })
      assert.match(String(failure), /npm run example -- 01[^]*npm run example -- 02/)
    }
  )

  it.each(globSync("examples/guide/*.ts", { cwd: root }))("%s runs", slow, async (path) => {
    assert.isString(await run(path))
  })
})

describe.each(documents)("$path", ({ path, text }) => {
  it("takes its code from files of the examples", () => {
    const wrong = blocksOf(text).filter(
      ({ file, language, text: code }) =>
        language === "ts" && !(file.startsWith("examples/") && flat(read(file)).includes(flat(code)))
    )

    assert.deepStrictEqual(wrong, [])
  })

  it("links to what is there", () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = ""]) => link)
    const broken = links
      .filter((link) => !link.startsWith("https:"))
      .filter((link) => {
        const [file = "", anchor] = link.split("#")
        const target = file === "" ? path : join(dirname(path), file)
        return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(read(target)).includes(anchor))
      })

    assert.deepStrictEqual(broken, [])
  })
})

describe("READMEs of packages", () => {
  it("exist, and link to nothing that a tarball does not hold", () => {
    const readmes = documents.filter(({ path }) => path.startsWith("packages/"))
    const packages = globSync("packages/*/package.json", { cwd: root })

    assert.strictEqual(readmes.length, packages.length)
    assert.deepStrictEqual(
      readmes.filter(({ text }) => /\]\((?!https:|#)/.test(text)).map(({ path }) => path),
      []
    )
  })
})

describe("All documents", () => {
  it("name commands that exist", slow, async () => {
    const named = documents.flatMap(({ text }) =>
      [...text.matchAll(/^npx refold (\w\S*)/gm)].map(([, command = ""]) => command)
    )
    const help = await run(commandLine, "--help")

    assert.isNotEmpty(named)
    assert.deepStrictEqual(
      named.filter((command) => !new RegExp(`^ +${command}\\b`, "m").test(help)),
      []
    )
  })
})

describe("docs/adapters.md", () => {
  it("shows what its example prints", slow, async () => {
    const output = await run("examples/run.ts", "05")
    const shown = blocksOf(read("docs/adapters.md")).filter(({ language }) => language === "text")

    assert.isNotEmpty(shown)
    for (const { text } of shown) assert.include(flat(output), flat(text))
  })
})

describe("docs/guide.md", () => {
  it("lists the error of every layer, and no other", () => {
    const sources = globSync("packages/*/src/**/*.ts", { cwd: root }).filter(
      (path) => !/[\\/](cli|laws|conformance)[\\/]/.test(path)
    )
    const defined = sources.flatMap((path) =>
      [...read(path).matchAll(/class (\w+) extends Schema\.TaggedError/g)].map(([, name]) => name)
    )
    const [, section = ""] = read("docs/guide.md").split("\n## Errors\n")
    const listed = [...section.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name)

    assert.sameMembers(listed, defined)
  })

  it("lists every metric, and no other", () => {
    const metrics = [...read("packages/runtime/src/Metrics.ts").matchAll(/"(refold_\w+)"/g)].map(([, name]) => name)
    const listed = [...read("docs/guide.md").matchAll(/^\| `(refold_\w+)` *\|/gm)].map(([, name]) => name)

    assert.isNotEmpty(metrics)
    assert.sameMembers(listed, metrics)
  })
})
