/** Checks what users get: packs each package, installs the tarballs in other folders, and uses them there. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { drivers } from "../packages/adapters/src/entries/Drivers.ts"
import { type Manifest, packages, readManifest, root, rootManifest, run } from "./Workspace.ts"

/** Packages by which a user runs workflows in a process of their own. */
const services = ["@refold/core", "@refold/adapters", "@refold/runtime"]

/** Packages that {@link services} must not bring along. */
const unwanted = [
  ...new Set(Object.values(drivers).flatMap((needed) => Object.keys(needed))),
  "@effect/platform-node",
  "cli-progress",
  "cli-table3",
  "fast-check"
]

const manifests: ReadonlyArray<Manifest> = packages.map(readManifest)

export const publish = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "refold-publish-"))
  try {
    const tarballs = await pack(folder)
    await checkTarballs(folder, tarballs)
    await checkAll(join(folder, "all"), tarballs)
    await checkServices(join(folder, "services"), tarballs)
    await checkRange(join(folder, "oldest"), tarballs)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tarballs, by the name of their package. */
type Tarballs = ReadonlyMap<string, string>

const pack = async (folder: string): Promise<Tarballs> => {
  const flags = packages.map((name) => `--workspace=${name}`)
  await run(root, "npm", "pack", "--ignore-scripts", `--pack-destination=${folder}`, ...flags)
  return new Map(
    manifests.map(({ name, version }) => [
      name,
      join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
    ])
  )
}

const checkTarballs = async (folder: string, tarballs: Tarballs): Promise<void> => {
  const license = readFileSync(join(root, "LICENSE"), "utf8")
  for (const [name, tarball] of tarballs) {
    await run(folder, "publint", "run", tarball, "--strict")
    await run(folder, "attw", tarball, "--profile", "esm-only")
    const packed = await run(folder, "tar", "-xzOf", tarball, "package/LICENSE")
    if (packed !== license) throw new Error(`The LICENSE in the tarball of ${name} is not that of the repository`)
  }
}

const install = async (folder: string, ...wanted: ReadonlyArray<string>): Promise<void> => {
  mkdirSync(folder)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }))
  await run(folder, "npm", "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", ...wanted)
}

const compile = (folder: string, file: string): Promise<string> => {
  const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
  return run(
    folder,
    "tsc",
    ...options,
    "--target",
    "es2023",
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules/@types"),
    file
  )
}

/** The paths that a program imports a package by. */
const entriesOf = ({ exports = {}, name }: Manifest): ReadonlyArray<string> =>
  Object.keys(exports).flatMap((entry) =>
    // `./src/*` is for this repository's tests: only its condition `@refold/source` opens it.
    ["./package.json", "./src/*"].includes(entry) ? [] : [`${name}${entry.slice(1)}`]
  )

/** Everything installed: each entry loads and compiles, the command line starts, the smoke program runs. */
const checkAll = async (folder: string, tarballs: Tarballs): Promise<void> => {
  const peers = Object.entries<string>(Object.assign({}, ...manifests.map(({ peerDependencies }) => peerDependencies)))
  await install(folder, ...tarballs.values(), ...peers.map(([name, range]) => `${name}@${range}`))

  const program = manifests.flatMap(entriesOf).map((entry, index) => `export * as entry${index} from "${entry}"\n`)
  writeFileSync(join(folder, "consumer.ts"), program.join(""))
  await run(folder, "node", "consumer.ts")
  await compile(folder, "consumer.ts")
  await run(folder, "node_modules/.bin/refold", "--version")
  await smoke(folder)

  for (const [entry, needed] of Object.entries(drivers)) {
    for (const driver of Object.keys(needed)) {
      const installed = join(folder, "node_modules", driver)
      const aside = join(folder, "aside")
      renameSync(installed, aside)
      await expectFailure(folder, `@refold/adapters/${entry}`, missing(entry, driver))
      renameSync(aside, installed)
    }
  }
  await expectFailure(folder, "@refold/core/src/internal/Hash", "ERR_PACKAGE_PATH_NOT_EXPORTED")
  await expectFailure(folder, "@refold/core/dist/internal/Hash.js", "ERR_PACKAGE_PATH_NOT_EXPORTED")
}

/** The services alone: they bring neither a driver nor a command line, and say which driver an entry needs. */
const checkServices = async (folder: string, tarballs: Tarballs): Promise<void> => {
  await install(folder, ...services.flatMap((name) => tarballs.get(name) ?? []))
  const brought = unwanted.filter((name) => existsSync(join(folder, "node_modules", name)))
  if (brought.length > 0)
    throw new Error(`${services.join(", ")} install what not every user needs: ${brought.join(", ")}`)
  const program = ["@refold/core", "@refold/runtime", "@refold/adapters/memory"].map((entry) => `import "${entry}"\n`)
  writeFileSync(join(folder, "consumer.ts"), program.join(""))
  await run(folder, "node", "consumer.ts")
  for (const entry of Object.keys(drivers)) {
    await expectFailure(folder, `@refold/adapters/${entry}`, `@refold/adapters/${entry} needs the package `)
  }
}

/** The oldest `effect` that the packages accept; the newest is that of every other check. */
const checkRange = async (folder: string, tarballs: Tarballs): Promise<void> => {
  const ranges = new Set(manifests.map(({ peerDependencies }) => peerDependencies?.["effect"]))
  const [range = "", ...others] = ranges
  const oldest = /^\^(\d+\.\d+\.\d+)$/.exec(range)?.[1]
  if (oldest === undefined || others.length > 0) {
    throw new Error(`All packages must accept the same range of effect, as ^1.2.3: found ${[...ranges].join(", ")}`)
  }
  if (oldest === rootManifest.devDependencies?.["effect"]) return
  const needed = Object.entries<string>(drivers.pglite).map(([name, accepted]) => `${name}@${accepted}`)
  await install(folder, ...services.flatMap((name) => tarballs.get(name) ?? []), `effect@${oldest}`, ...needed)
  await smoke(folder)
}

/** Compiles and runs a program that uses each service once. */
const smoke = async (folder: string): Promise<void> => {
  copyFileSync(join(root, "scripts/smoke.ts"), join(folder, "smoke.ts"))
  await compile(folder, "smoke.ts")
  await run(folder, "node", "smoke.ts")
}

const missing = (entry: string, driver: string): string =>
  `@refold/adapters/${entry} needs the package ${driver}, which is not installed. Run: npm install "`

/** Imports a module, which must fail with an error that has the text. */
const expectFailure = async (folder: string, specifier: string, text: string): Promise<void> => {
  const found = await run(folder, "node", "--input-type=module", "--eval", `await import("${specifier}")`).then(
    () => "no error",
    (error: Error) => error.message
  )
  if (!found.includes(text)) throw new Error(`import "${specifier}": expected "${text}", found\n${found}`)
}
