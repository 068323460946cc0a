/** How `npm run mutation` runs the tests: from the copy of the sources that Stryker mutates, in one process. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const source = (name: string) => join(import.meta.dirname, "../../packages", name, "src")

/** By name, so that a run is the same every time; Vitest would begin with what was slow or failed the last time. */
class ByName extends BaseSequencer {
  override sort(files: ReadonlyArray<TestSpecification>): Promise<Array<TestSpecification>> {
    return Promise.resolve(files.toSorted((left, right) => (left.moduleId < right.moduleId ? -1 : 1)))
  }
}

export default defineConfig({
  resolve: {
    // The links in node_modules lead to the sources as they are, not to the copy.
    alias: ["core", "adapters", "runtime"].flatMap((name) => [
      { find: new RegExp(`^@refold/${name}$`), replacement: join(source(name), "index.ts") },
      {
        find: new RegExp(`^@refold/${name}/(laws|memory|postgres|pglite|redis|eventlog|conformance)$`),
        replacement: join(source(name), "$1/index.ts")
      },
      { find: new RegExp(`^@refold/${name}/(.+)$`), replacement: join(source(name), "$1.ts") }
    ])
  },
  test: {
    testTimeout: 60_000,
    setupFiles: ["./test/setup.ts", "./test/mutation/setup.ts"],
    // The same cases for every mutant.
    env: { PROP_SEED: process.env["PROP_SEED"] ?? "1" },
    // One worker takes all the files of a run. A mutant gets a new worker, a file does not.
    isolate: false,
    sequence: { sequencer: ByName },
    include: ["*.test.ts"]
  }
})
