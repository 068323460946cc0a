/** Runs `refold` as its own process. */
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The processes of a run share a compile cache, because compiling takes half the time of a short command. */
const compileCache = join(tmpdir(), "refold-test-compile-cache")

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The outcome of a command run in a directory. Variables that stand for flags are not inherited. */
export type Run = (
  directory: string,
  args: ReadonlyArray<string>,
  environment?: Readonly<Record<string, string>>,
  /** Gets standard error as it is written, and may kill the process. */
  watch?: (child: ChildProcess, stderr: string) => void,
  stdin?: string | Uint8Array
) => Promise<Outcome>

const runOf =
  (program: string): Run =>
  (directory, args, environment = {}, watch = () => {}, stdin = "") =>
    new Promise((resolve, reject) => {
      const { DATABASE_URL: _, REDIS_URL: __, REFOLD_SCHEMA: ___, REFOLD_NAMESPACE: ____, ...inherited } = process.env
      const child = spawn(process.execPath, ["--conditions=@refold/source", program, ...args], {
        cwd: directory,
        env: { ...inherited, NODE_COMPILE_CACHE: compileCache, ...environment },
        stdio: ["pipe", "pipe", "pipe"]
      })
      // A command that stops reading closes its standard input.
      child.stdin.on("error", () => {}).end(stdin)
      let stdout = ""
      let stderr = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
        watch(child, stderr)
      })
      child.on("error", reject)
      child.on("close", (code) => resolve({ code, stdout, stderr }))
    })

/** The command as installed. */
export const refold = runOf(at("packages/cli/src/main.ts"))

/** The command of the guide, with the definitions of the examples. */
export const refoldOfExamples = runOf(at("examples/guide/refold.ts"))

/** The message of a failed command: its last line on standard error. */
export const complaint = ({ stderr }: Outcome): string => stderr.trimEnd().split("\n").at(-1) ?? ""
