/** The packages of this repository, and how a check runs a command on them. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { delimiter, join } from "node:path"

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly workspaces?: ReadonlyArray<string>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export const root = join(import.meta.dirname, "..")

export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"))

export const rootManifest = readManifest(".")
export const workspaces = rootManifest.workspaces ?? []
export const packages = workspaces.filter((folder) => folder.startsWith("packages/"))

const path = [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter)

/** Runs one command to its end; rejects with all that it printed when it fails or warns. */
export const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: path }
    execFile(command, args, { cwd, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null && !/\bwarn(ing)?\b/i.test(stderr)) resolve(stdout)
      else reject(new Error([`$ ${command} ${args.join(" ")}`, stdout, stderr].join("\n")))
    })
  })
