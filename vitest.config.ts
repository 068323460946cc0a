/** Two projects: what needs nothing, and what needs a server, so that `vitest run test/laws` starts none. */
import { defineConfig } from "vitest/config"

const integration = "test/**/*.integration.test.ts"

export default defineConfig({
  // Workspace packages are read from their sources: no build comes first.
  ssr: { resolve: { conditions: ["@refold/source", "module", "node", "development|production"] } },
  test: {
    // By default it is one less than there are processors: of two, one would do nothing.
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    setupFiles: ["./test/setup.ts"],
    // A Node that a test starts inherits the condition, so that `spawn(process.execPath, [".../main.ts"])` runs sources.
    // A test of the built packages starts its Node with NODE_OPTIONS emptied.
    env: { NODE_OPTIONS: "--conditions=@refold/source" },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [integration] } },
      {
        extends: true,
        test: { name: "integration", include: [integration], globalSetup: ["./test/setupServers.ts"] }
      }
    ]
  }
})
