import { draw } from "./Script.ts"
import { run } from "./Run.ts"
const from = Number(process.argv[2] ?? 1), count = Number(process.argv[3] ?? 1)
const t0 = performance.now()
let tasks = 0, events = 0, queued = 0, ms = 0
for (let i = from; i < from + count; i++) {
  const o = run(draw(String(i)))
  tasks += o.taskCount; events += o.eventCount; queued += o.queuedCount; ms += o.elapsedMillis
  if (o.violation || count === 1) console.log(i, o.violation?.message, count === 1 ? o.trace.join("\n") : "")
}
console.log(((performance.now() - t0) / count).toFixed(1), "ms per seed", { tasks: tasks / count, events: events / count, queued: queued / count, ms: ms / count })
