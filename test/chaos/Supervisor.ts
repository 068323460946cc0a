/** Worker processes that are restarted whenever they end. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"

export interface Supervisor {
  /** Process ids of the running workers that are not frozen. */
  readonly processIds: () => ReadonlyArray<number>
  readonly kill: (processId: number) => void
  readonly freeze: (processId: number) => void
  readonly thaw: (processId: number) => void
  /** Stops all workers with `SIGTERM`; returns the exit codes of those that had started to work. */
  readonly stop: () => Promise<ReadonlyArray<number | null>>
  /** The workers' last output, for a failed run. */
  readonly log: () => string
}

export const supervise = (file: string, count: number, env: NodeJS.ProcessEnv): Supervisor => {
  const running = new Map<number, ChildProcess>()
  const frozen = new Set<number>()
  const ready = new WeakSet<ChildProcess>()
  let isStopping = false
  let log = ""
  const start = () => {
    const child = spawn(process.execPath, ["--conditions=@refold/source", file], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"]
    })
    const { pid } = child
    if (pid === undefined) throw new Error(`Cannot start ${file}`)
    running.set(pid, child)
    child.once("message", () => ready.add(child))
    for (const output of [child.stdout, child.stderr]) {
      output?.setEncoding("utf8").on("data", (text: string) => {
        log = (log + text).slice(-20_000)
      })
    }
    child.once("exit", () => {
      running.delete(pid)
      frozen.delete(pid)
      if (!isStopping) start()
    })
  }
  for (let place = 0; place < count; place++) start()
  return {
    processIds: () => [...running.keys()].filter((pid) => !frozen.has(pid)),
    kill: (pid) => void running.get(pid)?.kill("SIGKILL"),
    freeze: (pid) => {
      frozen.add(pid)
      running.get(pid)?.kill("SIGSTOP")
    },
    thaw: (pid) => {
      running.get(pid)?.kill("SIGCONT")
      frozen.delete(pid)
    },
    stop: async () => {
      isStopping = true
      const ending = [...running.values()]
      const exits = ending.map((child) => once(child, "exit"))
      for (const child of ending) {
        child.kill("SIGCONT")
        child.kill("SIGTERM")
      }
      await Promise.all(exits)
      return ending.filter((child) => ready.has(child)).map((child) => child.exitCode)
    },
    log: () => log
  }
}
