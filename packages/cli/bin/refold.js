#!/usr/bin/env node
import module from "node:module"

// Says in one sentence what an old Node would say in a stack trace.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`refold needs Node 22.19 or newer; this is ${process.versions.node}. Run it as: npx refold\n`)
  process.exit(1)
}
// Compiling the modules is half of a short command's time; Node keeps the result for the next one.
module.enableCompileCache()
await import("../dist/main.js")
