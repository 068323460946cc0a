/**
 * `npm run check`: checks everything about the code but its tests. Runs every step, prints what failed, exits with 1 if
 * any step did.
 *
 * A warning is a failure. The build comes first: other steps read its declarations, and `publish` packs it.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { publish } from "./Publish.ts"
import * as Versions from "./Versions.ts"
import { packages, root, run } from "./Workspace.ts"

/** Prints one line when the step ends; returns whether it passed. */
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
    // Otherwise a file of a former build, which no source makes now, would be packed.
    for (const folder of packages) rmSync(join(root, folder, "dist"), { recursive: true, force: true })
    return run(root, "npm", "run", "--silent", "build")
  }),
  ...(await Promise.all(
    ["examples", "test", "scripts"].map((project) => step(`types of ${project}`, () => run(root, "tsc", "-p", project)))
  )),
  ...(await Promise.all([
    step("lint", () => run(root, "oxlint", "--type-aware", "--deny-warnings")),
    step("format", () => run(root, "oxfmt", "--check")),
    step("architecture", () => run(root, "vitest", "run", "test/Architecture.test.ts")),
    step("versions", Versions.agree)
  ])),
  await step("publish", publish)
]
if (passed.includes(false)) process.exitCode = 1
