/** Reads every source file and checks the directions of imports and the things that a library never does. */
import { globSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { posix } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parseAst } from "vitest/node"

const root = new URL("..", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

// --- Reading a file: its imports and its syntax -----------------------------------------------------------------------

interface Source {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

interface Import {
  /** The path from the root for a relative import, otherwise the specifier. */
  readonly target: string
  readonly isRelative: boolean
  readonly node: Node
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string" && "start" in value

const nodesOf = ({ path, text }: Source): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (!isNode(value)) return
    found.push(value)
    Object.values(value).forEach(visit)
  }
  visit(parseAst(text, { lang: "ts" }, path))
  return found
}

const importing = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType"
])

const importsOf = (path: string, nodes: ReadonlyArray<Node>): ReadonlyArray<Import> =>
  nodes.flatMap((node) => {
    if (!importing.has(node.type) || !isNode(node["source"])) return []
    const specifier = node["source"]["value"]
    if (typeof specifier !== "string") return []
    const isRelative = specifier.startsWith(".")
    return [{ isRelative, node, target: isRelative ? posix.join(posix.dirname(path), specifier) : specifier }]
  })

const isName = (node: unknown, name: string): boolean =>
  isNode(node) && node.type === "Identifier" && node["name"] === name

const isMember = (node: unknown, object: string, property?: string): boolean =>
  isNode(node) &&
  node.type === "MemberExpression" &&
  isName(node["object"], object) &&
  (property === undefined || isName(node["property"], property))

// --- The folder of a file ---------------------------------------------------------------------------------------------

const Manifest = Schema.Struct({
  name: Schema.String,
  dependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  peerDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  devDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

const manifest = (folder: string) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Manifest))(read(posix.join(folder, "package.json")))

const folders = [
  "packages/core",
  "packages/adapters",
  "packages/runtime",
  "packages/testing",
  "packages/cli",
  "examples",
  "test"
]

/** The packages that files may import, by folder. Tests may also import the tools of the root. */
const declared = new Map(
  folders.map((folder) => {
    const { name, dependencies, peerDependencies } = manifest(folder)
    const tools = folder === "test" ? manifest(".").devDependencies : {}
    return [folder, new Set([name, ...Object.keys({ ...dependencies, ...peerDependencies, ...tools })])]
  })
)

const folderOf = (path: string) => folders.find((folder) => path.startsWith(`${folder}/`))

const packageOf = (specifier: string) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const below = (path: string, ...prefixes: ReadonlyArray<string>) => prefixes.some((prefix) => path.startsWith(prefix))

const library = (path: string) => /^packages\/[^/]+\/src\//.test(path)
const core = (path: string) => below(path, "packages/core/src/")
const ports = (path: string) => below(path, "packages/core/src/ports/")
const laws = (path: string) => below(path, "packages/testing/src/laws/")
const cli = (path: string) => below(path, "packages/cli/src/")
const runtime = (path: string) => below(path, "packages/runtime/src/")

/** The folder that contains the `internal/` of the path, if it has one. */
const ownerOfInternal = (path: string) => /^(.*\/)internal\//.exec(path)?.[1]

/** The folder within a package's sources, or the file itself if it is at their root. */
const roomOf = (path: string) => /^packages\/[^/]+\/src\/[^/]+/.exec(path)?.[0]

/** Per package, its folders and the folders that each may import. `ARCHITECTURE.md` says the same in words. */
const directions: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>> = {
  "packages/core/src": {
    internal: [],
    event: ["internal"],
    workflow: ["event", "internal"],
    execution: ["event", "workflow", "internal"],
    partition: ["event"],
    queue: ["event", "workflow", "execution"],
    ports: ["event", "workflow", "execution", "partition", "queue"]
  },
  "packages/runtime/src": { replay: [], execution: ["replay"], queue: ["execution"], worker: ["queue"], import: [] }
}

/** Package and folder of a source file; undefined for one at the root of its package, or in a package without directions. */
const placeOf = (path: string) => {
  const [, sources = "", folder = ""] = /^(packages\/[^/]+\/src)\/([^/]+)\//.exec(path) ?? []
  const folders = directions[sources]
  return folders === undefined ? undefined : { sources, folder, mayImport: [folder, ...(folders[folder] ?? [])] }
}

// --- The rules --------------------------------------------------------------------------------------------------------

interface ImportRule {
  readonly applies: (path: string) => boolean
  readonly forbids: (target: Import, path: string) => boolean
}

const importRules: Readonly<Record<string, ImportRule>> = {
  "core imports effect and a hash library, nothing else": {
    applies: core,
    forbids: ({ isRelative, target }) => !isRelative && !["effect", "@noble/hashes"].includes(packageOf(target))
  },
  "pure modules of core know no ports": {
    applies: (path) => core(path) && !ports(path) && path !== "packages/core/src/index.ts",
    forbids: ({ target }) => ports(target)
  },
  "adapters see core alone": {
    applies: (path) => below(path, "packages/adapters/src/"),
    forbids: ({ target }) => target.startsWith("@refold/") && packageOf(target) !== "@refold/core"
  },
  "the runtime sees ports: no adapter, no SQL, no test tool, no command line": {
    applies: runtime,
    forbids: ({ target }) =>
      (target.startsWith("@refold/") && packageOf(target) !== "@refold/core") ||
      ["@effect/sql-pg", "pg"].includes(packageOf(target)) ||
      below(target, "effect/sql")
  },
  "test tools see ports and services, no adapter; only laws know fast-check": {
    applies: (path) => below(path, "packages/testing/src/"),
    forbids: ({ target }, path) =>
      ["@refold/adapters", "@refold/cli"].includes(packageOf(target)) || (target === "fast-check" && !laws(path))
  },
  "a folder imports only what its place allows": {
    applies: (path) => placeOf(path) !== undefined,
    forbids: ({ target }, path) => {
      const [from, to] = [placeOf(path), placeOf(target)]
      return from !== undefined && to?.sources === from.sources && !from.mayImport.includes(to.folder)
    }
  },
  "what is internal is for its own folder": {
    applies: () => true,
    forbids: ({ isRelative, target }, path) => {
      const owner = ownerOfInternal(target)
      return isRelative && owner !== undefined && !path.startsWith(owner)
    }
  },
  "only tests open a package's closed modules": {
    applies: (path) => !below(path, "test/"),
    forbids: ({ target }) => /^@refold\/[^/]+\/src\//.test(target)
  },
  "a relative import stays in its package": {
    applies: () => true,
    forbids: ({ isRelative, target }, path) => isRelative && folderOf(target) !== folderOf(path)
  },
  "an imported package is declared where it is imported": {
    applies: () => true,
    forbids: ({ isRelative, target }, path) =>
      !isRelative && !isBuiltin(target) && declared.get(folderOf(path) ?? "")?.has(packageOf(target)) !== true
  }
}

interface SyntaxRule {
  readonly applies: (path: string) => boolean
  readonly forbids: (node: Node) => boolean
}

const syntaxRules: Readonly<Record<string, SyntaxRule>> = {
  "time comes from Clock": {
    applies: library,
    forbids: (node) =>
      isMember(node, "Date", "now") ||
      (node.type === "NewExpression" &&
        isName(node["callee"], "Date") &&
        Array.isArray(node["arguments"]) &&
        node["arguments"].length === 0)
  },
  "chance comes from Random": { applies: library, forbids: (node) => isMember(node, "Math", "random") },
  "waiting is Effect.sleep": {
    applies: library,
    forbids: ({ type, callee }) =>
      type === "CallExpression" && ["setTimeout", "setInterval"].some((name) => isName(callee, name))
  },
  "failures are values, not try": { applies: library, forbids: ({ type }) => type === "TryStatement" },
  "output goes through Console or the log": { applies: library, forbids: (node) => isMember(node, "console") },
  "settings come from Config": {
    applies: (path) => library(path) && !cli(path),
    forbids: (node) => isMember(node, "process", "env")
  },
  "nothing is any": { applies: library, forbids: ({ type }) => type === "TSAnyKeyword" },
  "no test is focused, skipped or left to do; skipIf says why": {
    applies: (path) => below(path, "test/"),
    forbids: (node) => {
      const rootOf = (value: unknown): unknown =>
        isNode(value) && value.type === "MemberExpression" ? rootOf(value["object"]) : value
      return (
        node.type === "MemberExpression" &&
        ["only", "skip", "todo"].some((name) => isName(node["property"], name)) &&
        ["it", "test", "describe", "layer"].some((name) => isName(rootOf(node), name))
      )
    }
  }
}

const silenced = /@ts-(ignore|nocheck)/

/** One line per broken rule: the place and the rule. */
const violations = (source: Source): ReadonlyArray<string> => {
  const { path, text } = source
  const nodes = nodesOf(source)
  const at = (offset: number, rule: string) => `${path}:${text.slice(0, offset).split("\n").length} ${rule}`
  const imports = importsOf(path, nodes)
  return [
    ...Object.entries(importRules).flatMap(([name, rule]) =>
      rule.applies(path)
        ? imports
            .filter((each) => rule.forbids(each, path))
            .map(({ node, target }) => at(node.start, `${name}: ${target}`))
        : []
    ),
    ...Object.entries(syntaxRules).flatMap(([name, rule]) =>
      rule.applies(path) ? nodes.filter(rule.forbids).map(({ start }) => at(start, name)) : []
    ),
    ...(library(path) && silenced.test(text) ? [at(text.search(silenced), "the compiler is not silenced")] : [])
  ]
}

/** Import cycles between files or folders: one path per cycle. Type-only imports count. */
const cycles = (
  sources: ReadonlyArray<Source>,
  nodeOf: (path: string) => string | undefined = (path) => path
): ReadonlyArray<string> => {
  const graph = new Map<string, Set<string>>()
  for (const source of sources) {
    const from = nodeOf(source.path)
    if (from === undefined) continue
    const targets = graph.get(from) ?? new Set()
    graph.set(from, targets)
    for (const { target } of importsOf(source.path, nodesOf(source))) {
      const to = nodeOf(target)
      if (to !== undefined && (to !== from || from === source.path)) targets.add(to)
    }
  }
  const done = new Set<string>()
  const found: Array<string> = []
  const visit = (path: string, trail: ReadonlyArray<string>): void => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path].join(" -> "))
    if (start >= 0 || done.has(path)) return
    graph.get(path)?.forEach((target) => visit(target, [...trail, path]))
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

// --- Length -----------------------------------------------------------------------------------------------------------

const maxFileLines = 400
const maxFunctionLines = 80

/** A comment line that begins so says why something long is one thing. */
const reason = /^\s*(?:\/\/|\/?\*+)\s*One thing: \S/m

const functions = new Set(["ArrowFunctionExpression", "FunctionDeclaration", "FunctionExpression"])

/** The innermost of these that holds a function is what a comment stands above. */
const commented = new Set([
  "ExportDefaultDeclaration",
  "ExportNamedDeclaration",
  "ExpressionStatement",
  "FunctionDeclaration",
  "MethodDefinition",
  "Property",
  "PropertyDefinition",
  "ReturnStatement",
  "VariableDeclaration"
])

const linesOf = (text: string) => text.split("\n").length

/** The comment that ends on the line above, where there is one. */
const commentAbove = (text: string, offset: number): string => {
  const above = text.slice(0, text.lastIndexOf("\n", offset) + 1)
  return /(?:(?<=^|\n)[ \t]*(?:\/\*(?:[^*]|\*(?!\/))*\*\/[ \t]*|\/\/[^\n]*)\n)+$/.exec(above)?.[0] ?? ""
}

/** One line per file and per function that is too long and gives no reason. A function inside another counts for both. */
const oversized = ({ path, text }: Source): ReadonlyArray<string> => {
  if (!library(path)) return []
  const found: Array<string> = []
  const lineCount = linesOf(text.trimEnd())
  const head = /^(?:\s|\/\/.*\n|\/\*[^]*?\*\/)*/.exec(text)?.[0] ?? ""
  if (lineCount > maxFileLines && !reason.test(head)) found.push(`${path} has ${lineCount} lines`)
  const visit = (value: unknown, holder: Node | undefined): void => {
    if (Array.isArray(value)) return value.forEach((each) => visit(each, holder))
    if (!isNode(value)) return
    const isExported = holder?.type.startsWith("Export") === true && value.type.endsWith("Declaration")
    const next = commented.has(value.type) && !isExported ? value : holder
    const length = linesOf(text.slice(value.start, value.end))
    if (functions.has(value.type) && length > maxFunctionLines) {
      const isExplained = reason.test(commentAbove(text, next?.start ?? value.start))
      const line = linesOf(text.slice(0, value.start))
      if (!isExplained) found.push(`${path}:${line} is a function of ${length} lines`)
    }
    Object.values(value).forEach((each) => visit(each, next))
  }
  visit(parseAst(text, { lang: "ts" }, path), undefined)
  return found
}

// --- The test ---------------------------------------------------------------------------------------------------------

const sources = globSync(["packages/*/src/**/*.ts", "examples/**/*.ts", "test/**/*.ts"], {
  cwd: root,
  exclude: ["**/node_modules/**", "**/dist/**"]
}).map((file) => ({ path: file.replaceAll("\\", "/"), text: read(file) }))

describe("Architecture", () => {
  it("reads every workspace folder", () => {
    assert.isTrue(folders.every((folder) => sources.some(({ path }) => folderOf(path) === folder)))
  })

  it("holds in every file", () => {
    assert.deepStrictEqual(sources.flatMap(violations), [])
  })

  it(`has no file over ${maxFileLines} lines and no function over ${maxFunctionLines}, unless a comment says why`, () => {
    assert.deepStrictEqual(sources.flatMap(oversized), [])
  })

  it("has no import cycles", () => {
    assert.deepStrictEqual(cycles(sources), [])
  })

  it("has no cycle between the folders of a package", () => {
    assert.deepStrictEqual(cycles(sources, roomOf), [])
  })
})

describe("Architecture rules bite", () => {
  const broken: ReadonlyArray<readonly [rule: string, path: string, text: string]> = [
    ["core imports effect", "packages/core/src/A.ts", `import fs from "node:fs"`],
    ["core imports effect", "packages/core/src/A.ts", `import fc from "fast-check"`],
    ["core imports effect", "packages/core/src/A.ts", `type T = import("@effect/sql-pg").PgClient`],
    ["pure modules", "packages/core/src/queue/A.ts", `import type { B } from "../ports/B.ts"`],
    ["adapters see", "packages/adapters/src/memory/A.ts", `await import("@refold/runtime")`],
    ["adapters see", "packages/adapters/src/memory/A.ts", `import "@refold/testing/conformance"`],
    ["the runtime sees", "packages/runtime/src/A.ts", `export { layer } from "@refold/adapters/memory"`],
    ["the runtime sees", "packages/runtime/src/A.ts", `import { SqlClient } from "effect/sql"`],
    ["the runtime sees", "packages/runtime/src/A.ts", `import { run } from "@refold/cli"`],
    ["test tools see", "packages/testing/src/conformance/A.ts", `import "@refold/adapters/memory"`],
    ["test tools see", "packages/testing/src/conformance/A.ts", `import fc from "fast-check"`],
    ["a folder imports", "packages/core/src/execution/A.ts", `import type { B } from "../queue/B.ts"`],
    ["a folder imports", "packages/runtime/src/replay/A.ts", `import { B } from "../execution/B.ts"`],
    ["a folder imports", "packages/runtime/src/import/A.ts", `import { B } from "../worker/B.ts"`],
    ["a folder imports", "packages/core/src/event/A.ts", `import { B } from "../unknown/B.ts"`],
    ["what is internal", "packages/core/src/queue/A.ts", `import { B } from "../execution/internal/B.ts"`],
    ["only tests open", "packages/runtime/src/A.ts", `import { sha256 } from "@refold/core/src/internal/Hash"`],
    ["only tests open", "examples/A.ts", `import { FairQueue } from "@refold/runtime/src/worker/FairQueue"`],
    ["a relative import", "packages/runtime/src/A.ts", `import { B } from "../../core/src/B.ts"`],
    ["an imported package", "packages/testing/src/laws/A.ts", `import { it } from "@effect/vitest"`],
    ["an imported package", "packages/adapters/src/memory/A.ts", `import { it } from "vitest"`],
    ["an imported package", "examples/A.ts", `import { parse } from "csv-parse"`],
    ["time comes", "packages/core/src/A.ts", `const a = Date.now()`],
    ["time comes", "packages/core/src/A.ts", `const a = new Date()`],
    ["time comes", "packages/core/src/A.ts", `const a = [1].map(Date.now)`],
    ["chance comes", "packages/runtime/src/A.ts", `const a = Math.random()`],
    ["waiting is", "packages/runtime/src/A.ts", `setTimeout(() => {}, 1)`],
    ["failures are", "packages/adapters/src/memory/A.ts", `try { a() } catch {}`],
    ["output goes", "packages/cli/src/A.ts", `console.log(1)`],
    ["settings come", "packages/adapters/src/memory/A.ts", `const a = process.env["A"]`],
    ["nothing is any", "packages/core/src/A.ts", `const a = b as any`],
    ["nothing is any", "packages/core/src/A.ts", `const a = (b: any) => b`],
    ["the compiler", "packages/core/src/A.ts", `// @ts-ignore`],
    ["no test is", "test/A.test.ts", `it.effect.skip("a", () => b)`],
    ["no test is", "test/A.test.ts", `describe.only("a", () => {})`]
  ]
  it.each(broken)("%s … in %s: %s", (rule, path, text) => {
    const found = violations({ path, text })
    assert.isTrue(
      found.some((line) => line.startsWith(`${path}:1 ${rule}`)),
      `found ${JSON.stringify(found)}`
    )
  })

  it("and leave alone what is allowed", () => {
    const allowed: ReadonlyArray<readonly [path: string, text: string]> = [
      ["packages/core/src/A.ts", `import { Effect } from "effect"; import { B } from "./B.ts"; const a = new Date(0)`],
      ["packages/core/src/A.ts", `/** Never \`try {\`, nor \`Date.now()\`. */ export const text = "console.log(any)"`],
      ["packages/core/src/index.ts", `export * as B from "./ports/B.ts"`],
      ["packages/core/src/ports/A.ts", `import { B } from "../B.ts"`],
      ["packages/core/src/event/A.ts", `import { hash } from "../internal/Hash.ts"; import "@noble/hashes/sha2.js"`],
      ["packages/testing/src/laws/A.ts", `import fc from "fast-check"; import { Replay } from "@refold/core"`],
      ["packages/adapters/src/postgres/A.ts", `import { PgClient } from "@effect/sql-pg"; import "node:zlib"`],
      ["packages/cli/src/A.ts", `import "@refold/adapters/postgres"; const a = process.env["A"]`],
      ["test/A.test.ts", `import fc from "fast-check"; it.skipIf(b)("needs a terminal", () => {})`]
    ]
    assert.deepStrictEqual(
      allowed.flatMap(([path, text]) => violations({ path, text })),
      []
    )
  })

  it("and a file or a function that is too long is found, unless the comment above it says why it is one thing", () => {
    const path = "packages/core/src/A.ts"
    const lines = (count: number) => "a()\n".repeat(count)
    const ofFile = (comment: string, count: number) => oversized({ path, text: `${comment}${lines(count)}` })
    const closure = (comment: string, count: number) =>
      `export const b = 1\n${comment}export const c = d(() => {\n${lines(count)}})\n`
    const ofFunction = (comment: string, count: number) => oversized({ path, text: closure(comment, count) })

    assert.deepStrictEqual(ofFile("", 400), [])
    assert.deepStrictEqual(ofFile("", 401), [`${path} has 401 lines`])
    assert.deepStrictEqual(ofFile("/**\n * A list.\n *\n * One thing: a list.\n */\n", 401), [])
    assert.deepStrictEqual(ofFile("/** A list. */\n", 400), [`${path} has 401 lines`])
    assert.deepStrictEqual(ofFunction("", 78), [])
    assert.deepStrictEqual(ofFunction("", 79), [`${path}:2 is a function of 81 lines`])
    assert.deepStrictEqual(ofFunction("// One thing: a statement.\n", 79), [])
    assert.deepStrictEqual(ofFunction("/** Runs.\n * One thing: a statement. */\n", 79), [])
    assert.deepStrictEqual(ofFunction("// One thing: a statement.\n\n", 79), [`${path}:4 is a function of 81 lines`])
    // A reason is for what is directly below it: a long function inside gives its own.
    const inner = `const e = () => {\n${lines(79)}}\n`
    assert.deepStrictEqual(oversized({ path, text: `// One thing: b.\nconst b = () => {\n${inner}}\n` }), [
      `${path}:3 is a function of 81 lines`
    ])
    assert.deepStrictEqual(oversized({ path: "test/A.test.ts", text: lines(500) }), [])
  })

  it("and a cycle between folders is found, though no file is in one", () => {
    const cyclic = [
      { path: "packages/core/src/queue/A.ts", text: `import type { B } from "../execution/B.ts"` },
      { path: "packages/core/src/execution/B.ts", text: `export * from "./C.ts"` },
      { path: "packages/core/src/execution/D.ts", text: `import { E } from "../queue/E.ts"` }
    ]
    assert.deepStrictEqual(cycles(cyclic), [])
    assert.deepStrictEqual(cycles(cyclic, roomOf), [
      "packages/core/src/queue -> packages/core/src/execution -> packages/core/src/queue"
    ])
  })

  it("and a cycle is found, through types too", () => {
    const cyclic = [
      { path: "packages/core/src/A.ts", text: `import type { B } from "./B.ts"` },
      { path: "packages/core/src/B.ts", text: `export * from "./ports/C.ts"` },
      { path: "packages/core/src/ports/C.ts", text: `import { B } from "../B.ts"` }
    ]
    assert.deepStrictEqual(cycles(cyclic), [
      "packages/core/src/B.ts -> packages/core/src/ports/C.ts -> packages/core/src/B.ts"
    ])
  })
})
