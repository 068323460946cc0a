/** The faults that are still to come. */
import type { Call, Fault, ProcessName } from "./Script.ts"

/** Faults to come, by process and call. They survive the process. */
export class Mishaps {
  readonly #armed = new Map<string, Array<{ after: number; readonly fault: Fault }>>()
  readonly #outages = new Map<string, number>()
  readonly #nowMillis: () => number

  constructor(nowMillis: () => number) {
    this.#nowMillis = nowMillis
  }

  cutOff(process: ProcessName, of: "store" | "stream", millis: number): void {
    this.#outages.set(`${process} ${of}`, this.#nowMillis() + millis)
  }

  arm(process: ProcessName, call: Call, after: number, fault: Fault): void {
    const key = `${process} ${call}`
    const armed = this.#armed.get(key) ?? []
    this.#armed.set(key, armed)
    armed.push({ after, fault })
  }

  /** The fault of this call, if any. Each fault happens once. */
  take(process: ProcessName, call: Call): Fault | undefined {
    const of = streamCalls.has(call) ? "stream" : "store"
    if ((this.#outages.get(`${process} ${of}`) ?? 0) > this.#nowMillis()) return { what: "fails" }
    const armed = this.#armed.get(`${process} ${call}`)
    if (armed === undefined) return undefined
    const place = armed.findIndex(({ after }) => after === 0)
    for (const each of armed) each.after = Math.max(each.after - 1, 0)
    return place < 0 ? undefined : armed.splice(place, 1)[0]?.fault
  }

  clear(): void {
    this.#armed.clear()
    this.#outages.clear()
  }
}

const streamCalls: ReadonlySet<Call> = new Set(["publish", "openReader", "readWakeUps", "acknowledge"])
