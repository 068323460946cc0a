/** `npm run mutation` runs the tests in one process, from the copy of the sources that Stryker mutates. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const source = (name: string) => join(import.meta.dirname, "../../packages", name, "src")

/** Sorts files by name, so that every run is the same. Vitest would start with slow or failed files. */
class ByName extends BaseSequencer {
  override sort(files: ReadonlyArray<TestSpecification>): Promise<Array<TestSpecification>> {
    return Promise.resolve(files.toSorted((left, right) => (left.moduleId < right.moduleId ? -1 : 1)))
  }
}

export default defineConfig({
  resolve: {
    // The links in node_modules lead to the original sources, not to the copy.
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
    // Every mutant gets the same cases.
    env: { PROP_SEED: process.env["PROP_SEED"] ?? "1" },
    // One worker runs all files of a run. A mutant gets a new worker, a file does not.
    isolate: false,
    sequence: { sequencer: ByName },
    include: ["*.test.ts"]
  }
})
