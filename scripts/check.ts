/**
 * `npm run check`: everything about the code but its tests. Runs every step, says what failed, ends with 1 if any did.
 *
 * A warning is a failure. The build comes first: the others read its declarations, and `publish` packs it.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

interface Manifest {
  readonly name: string
  readonly workspaces?: ReadonlyArray<string>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, "..")
const path = [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter)
const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"))
const packages = (manifest(".").workspaces ?? []).filter((folder) => folder.startsWith("packages/"))

/** Runs one command to its end; rejects with all it printed when it fails or warns. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: path }
    execFile(command, args, { cwd, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null && !/\bwarn(ing)?\b/i.test(stderr)) resolve(stdout)
      else reject(new Error([`$ ${command} ${args.join(" ")}`, stdout, stderr].join("\n")))
    })
  })

/** What users get: packs each package, checks the tarballs, installs them elsewhere, imports and compiles every entry. */
const publish = async () => {
  const folder = mkdtempSync(join(tmpdir(), "refold-publish-"))
  try {
    const flags = packages.map((name) => `--workspace=${name}`)
    await run(root, "npm", "pack", "--ignore-scripts", `--pack-destination=${folder}`, ...flags)
    const manifests = packages.map(manifest)
    const tarballs = manifests.map(({ name }) => `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
    for (const tarball of tarballs) {
      await run(folder, "publint", "run", tarball, "--strict")
      await run(folder, "attw", tarball, "--profile", "esm-only")
    }

    const peers = Object.entries<string>(Object.assign({}, ...manifests.map((each) => each.peerDependencies)))
    const wanted = [...tarballs.map((tarball) => `./${tarball}`), ...peers.map(([name, range]) => `${name}@${range}`)]
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }))
    await run(folder, "npm", "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", ...wanted)

    const entries = manifests.flatMap(({ name, exports = {} }) =>
      // `./src/*` is for this repository's tests: only its condition `@refold/source` opens it.
      Object.keys(exports).flatMap((entry) =>
        ["./package.json", "./src/*"].includes(entry) ? [] : [`${name}${entry.slice(1)}`]
      )
    )
    const program = entries.map((entry, index) => `export * as entry${index} from "${entry}"\n`).join("")
    writeFileSync(join(folder, "consumer.ts"), program)
    const compiler = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
    await run(folder, "node", "consumer.ts")
    await run(folder, "tsc", ...compiler, "--target", "es2023", "consumer.ts")
    await run(folder, "node_modules/.bin/refold", "--version")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** Prints one line when the step ends; gives whether it passed. */
const step = async (name: string, work: () => Promise<unknown>): Promise<boolean> => {
  const startedAt = performance.now()
  const failure = await work().then(
    () => undefined,
    (error: Error) => error.message
  )
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${failure === undefined ? "ok    " : "FAILED"}  ${name}  ${seconds} s`)
  if (failure !== undefined) console.log(failure.trimEnd().replaceAll(/^/gm, "    "))
  return failure === undefined
}

const passed = [
  await step("build", () => {
    // A file that is no longer written must not be packed.
    for (const folder of packages) rmSync(join(root, folder, "dist"), { recursive: true, force: true })
    return run(root, "npm", "run", "--silent", "build")
  }),
  ...(await Promise.all(
    ["examples", "test", "scripts"].map((project) => step(`types of ${project}`, () => run(root, "tsc", "-p", project)))
  )),
  ...(await Promise.all([
    step("lint", () => run(root, "oxlint", "--type-aware", "--deny-warnings")),
    step("format", () => run(root, "oxfmt", "--check")),
    step("architecture", () => run(root, "vitest", "run", "test/Architecture.test.ts"))
  ])),
  await step("publish", publish)
]
if (passed.includes(false)) process.exitCode = 1
