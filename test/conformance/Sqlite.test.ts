import { describe, it } from "@effect/vitest"
import { testAdapter } from "@refold/adapters/conformance"
import * as SqliteStore from "@refold/examples/05-sqlite-adapter/SqliteStore.ts"

describe("The SQLite store of the example", () => testAdapter(SqliteStore.layer(":memory:"), it))
