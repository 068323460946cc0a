/** The script of one run, as data: drawn from a seed, printed, and shortened. */
import type { ExecutionRef, FailurePolicy, Submission } from "@refold/core"
import { Chance } from "./Chance.ts"
import { calm, type Pace } from "./SeededScheduler.ts"

export const places = [
  { tenant: "a", executionId: "1" },
  { tenant: "a", executionId: "2" },
  { tenant: "b", executionId: "1" },
  // This workflow is unknown to the first worker.
  { tenant: "b", executionId: "rare" }
] as const satisfies ReadonlyArray<ExecutionRef>

export const clients = ["c1", "c2"] as const
export const workers = ["w1", "w2", "w3"] as const
export type ClientName = (typeof clients)[number]
export type WorkerName = (typeof workers)[number]
export type ProcessName = ClientName | WorkerName

/** The calls of a process to the store and to the channel. */
export const calls = [
  "commit",
  "read",
  "findKey",
  "findHeader",
  "findHeaders",
  "enqueue",
  "findReady",
  "claim",
  "fail",
  "markUnclaimed",
  "findEntry",
  "lag",
  "findSnapshot",
  "listSnapshots",
  "saveSnapshot",
  "renew",
  "release",
  "publish",
  "openReader",
  "readWakeUps",
  "acknowledge"
] as const
export type Call = (typeof calls)[number]

const callsOfClients: ReadonlySet<Call> = new Set(["enqueue", "findHeaders", "publish"])
const callsOfWorkers: ReadonlySet<Call> = new Set([
  "findReady",
  "markUnclaimed",
  "lag",
  "renew",
  "release",
  "openReader",
  "readWakeUps",
  "acknowledge"
])

/** The fault of one call. */
export type Fault =
  /** The call fails and has no effect. */
  | { readonly what: "fails" }
  /** The call takes effect, but its answer is lost. */
  | { readonly what: "loses its answer" }
  /** The call takes effect later, or answers later. */
  | { readonly what: "starts late" | "answers late"; readonly millis: number }
  /** The call hangs, then it fails, with or without effect. */
  | { readonly what: "hangs" | "hangs, done" }
  /** The store refuses this one statement. */
  | { readonly what: "is refused" }
  /** The process is killed before or after the effect. */
  | { readonly what: "kills before" | "kills after" }
  /** Faults of published or read wake-ups. */
  | { readonly what: "drops" | "doubles" | "turns round" }

export interface Request {
  readonly submission: Submission
  readonly key: string | undefined
}

export type Step =
  | { readonly kind: "start"; readonly client: ClientName; readonly at: number; readonly key: string | undefined }
  | { readonly kind: "submit"; readonly client: ClientName; readonly at: number; readonly request: Request }
  | {
      readonly kind: "enqueue"
      readonly client: ClientName
      readonly requests: readonly [
        { readonly at: number; readonly request: Request },
        ...Array<{ readonly at: number; readonly request: Request }>
      ]
    }
  | { readonly kind: "process"; readonly client: ClientName; readonly at: number; readonly which: number }
  | { readonly kind: "redrive" | "discard"; readonly at: number }
  | { readonly kind: "wait"; readonly millis: number }
  | {
      readonly kind: "fault"
      readonly process: ProcessName
      readonly call: Call
      readonly after: number
      readonly fault: Fault
    }
  /** For some time, every call of a process to the store, or to the channel, fails. */
  | { readonly kind: "outage"; readonly process: ProcessName; readonly of: "store" | "stream"; readonly millis: number }
  | { readonly kind: "kill" | "boot"; readonly process: ProcessName }
  | { readonly kind: "stop"; readonly process: WorkerName }
  /** All wake-ups in the channel are lost, repeated or reordered. */
  | { readonly kind: "stream"; readonly how: "lose" | "double" | "turn round" }
  /** A worker takes a share of the partitions and dies at once. */
  | { readonly kind: "steal" }
  | { readonly kind: "clock"; readonly of: ProcessName | "store"; readonly millis: number }

/** A step with its number in the script as drawn. It keeps the number when the script is shortened. */
export type Placed = Step & { readonly place: number }

export interface Script {
  readonly seed: string
  readonly setting: Setting
  readonly steps: ReadonlyArray<Placed>
}

/** The settings of a whole run. */
export interface Setting {
  readonly pace: Pace
  /** The bound of random delays of calls, in milliseconds. */
  readonly latencyMillis: number
  readonly afterLast: FailurePolicy.FailurePolicy["afterLast"]
  /** The effect of the bad event on a worker that folds it. */
  readonly burst: "throws" | "kills"
  /** Whether the workers are replaced when the faults end, or continue. */
  readonly mending: "in new workers" | "in place"
}

/** The script of a seed. */
export const draw = (seed: string): Script => {
  const chance = new Chance(`${seed}/script`)
  const setting: Setting = {
    pace: {
      patience: chance.weighted([2, calm], [2, 300], [2, 60], [1, 12]),
      haste: chance.weighted([2, 0], [1, 0.002], [1, 0.02])
    },
    latencyMillis: chance.weighted([2, 0], [2, 4], [1, 40]),
    afterLast: chance.weighted([3, "block"], [1, "skip"]),
    burst: chance.weighted([2, "throws"], [1, "kills"]),
    mending: chance.weighted([2, "in new workers"], [1, "in place"])
  }
  const weather = chance.weighted<keyof typeof faultsPerStep>([1, "fair"], [3, "rainy"], [2, "stormy"])
  const length = 8 + chance.below(20)
  const steps = places.flatMap((_, at): ReadonlyArray<Step> => {
    const step: Step = { kind: "start", client: chance.pick(clients), at, key: chance.pick([undefined, "first"]) }
    return chance.happens(0.1) ? [step, { ...step, client: chance.pick(clients) }] : [step]
  })
  const busy = chance.below(places.length)
  for (let count = 0; count < length; count++) {
    if (chance.happens(faultsPerStep[weather])) steps.push(drawMishap(chance))
    else steps.push(...drawOperation(chance, chance.happens(0.6) ? busy : chance.below(places.length)))
    if (chance.happens(0.45)) steps.push({ kind: "wait", millis: drawMillis(chance) })
  }
  return { seed, setting, steps: steps.map((step, place) => ({ ...step, place })) }
}

/** The same script without random delays and without forced yields. */
export const inCalm = (script: Script): Script => ({
  ...script,
  setting: { ...script.setting, pace: { patience: calm, haste: 0 }, latencyMillis: 0 }
})

const faultsPerStep = { fair: 0, rainy: 0.3, stormy: 0.55 }

const drawMillis = (chance: Chance) => chance.weighted([3, 1], [3, 20], [4, 300], [2, 1200], [0.5, 4000])

const drawOperation = (chance: Chance, at: number): ReadonlyArray<Step> => {
  const client = chance.pick(clients)
  const step = chance.weighted<() => Step>(
    [7, () => ({ kind: "enqueue", client, requests: drawRequests(chance, at) })],
    [6, () => ({ kind: "submit", client, at, request: drawRequest(chance) })],
    [2, () => ({ kind: "process", client, at, which: chance.below(4) })],
    [2, () => ({ kind: chance.pick(["redrive", "discard"]), at })],
    [1, () => ({ kind: "start", client, at, key: chance.pick([undefined, "first"]) })]
  )()
  const again = chance.happens(0.5) ? drawRepetition(chance, step) : undefined
  return again === undefined ? [step] : [step, again]
}

/** The other client repeats the request with its key at the same time. */
const drawRepetition = (chance: Chance, step: Step): Step | undefined => {
  if (step.kind === "start") return { ...step, client: chance.pick(clients) }
  if (step.kind !== "submit" && step.kind !== "enqueue") return undefined
  const asked = step.kind === "submit" ? [step] : step.requests
  const first = asked.find(({ request }) => request.key !== undefined)
  if (first === undefined) return undefined
  const { at, request } = first
  const client = chance.pick(clients)
  return chance.happens(0.5)
    ? { kind: "submit", client, at, request }
    : { kind: "enqueue", client, requests: [{ at, request }] }
}

const drawRequests = (chance: Chance, at: number) => {
  const count = chance.weighted([4, 0], [2, 1], [1, 2], [1, 4])
  const others = Array.from({ length: count }, () => ({
    at: chance.happens(0.7) ? at : chance.below(places.length),
    request: drawRequest(chance)
  }))
  return [{ at, request: drawRequest(chance) }, ...others] as const satisfies Extract<
    Step,
    { kind: "enqueue" }
  >["requests"]
}

/** With a key, mostly the same request, which some states refuse. So two uses of a key often meet. */
const drawRequest = (chance: Chance): Request =>
  chance.happens(0.35)
    ? chance.pick(keyed)
    : {
        submission: chance.weighted(
          [12, added(chance.below(8) - 2)],
          [1, { event_name: "Burst", payload: {} }],
          [2, { event_name: "Guarded", payload: {} }],
          [1, { event_name: "Ended", payload: {} }]
        ),
        key: undefined
      }

const added = (by: number): Submission => ({ event_name: "Added", payload: { by } })

const ofKey = (key: string, submission: Submission): Request => ({
  key,
  submission: { ...submission, user_id: `key ${key}` }
})

const keyed: readonly [Request, ...ReadonlyArray<Request>] = [
  ofKey("k", added(-2)),
  ofKey("k", added(-2)),
  ofKey("k", added(-2)),
  ofKey("l", added(3)),
  ofKey("l", added(3)),
  ofKey("m", { event_name: "Ended", payload: {} }),
  // Uses the key of another request.
  { key: "k", submission: { event_name: "Ended", payload: {}, user_id: "key k of another" } }
]

const drawMishap = (chance: Chance): Step => {
  const worker = chance.pick(workers)
  const process = chance.happens(0.7) ? worker : chance.pick(clients)
  return chance.weighted<() => Step>(
    [14, () => drawFault(chance, worker)],
    [
      2,
      () => ({ kind: "outage", process, of: chance.pick(["store", "stream"]), millis: chance.pick([300, 1500, 5000]) })
    ],
    [2, () => ({ kind: "kill", process })],
    [3, () => ({ kind: "boot", process })],
    [2, () => ({ kind: "stop", process: worker })],
    [2, () => ({ kind: "stream", how: chance.pick(["lose", "double", "turn round"]) })],
    [1, () => ({ kind: "steal" })],
    [
      1,
      () => {
        const of = chance.happens(0.4) ? "store" : process
        // If the store's clock jumps back, its leases last longer by the same time.
        const back = of === "store" ? -3000 : -86_400_000
        return { kind: "clock", of, millis: chance.pick([2000, 86_400_000, -1000, back]) }
      }
    ]
  )()
}

const drawFault = (chance: Chance, worker: WorkerName): Step => {
  const call = chance.weighted<Call>(
    [6, "commit"],
    [3, "claim"],
    [3, "enqueue"],
    [2, "publish"],
    [2, "readWakeUps"],
    [2, "acknowledge"],
    [2, "fail"],
    [2, "renew"],
    [10, chance.pick(calls)]
  )
  const isOfClients = callsOfClients.has(call) || (!callsOfWorkers.has(call) && chance.happens(0.3))
  const process = isOfClients ? chance.pick(clients) : worker
  const millis = chance.pick([5, 200, 1500, 4000])
  const isWakeUps = call === "publish" || call === "readWakeUps"
  const fault = chance.weighted<Fault>(
    [3, { what: "fails" }],
    [4, { what: "loses its answer" }],
    [1, { what: "starts late", millis }],
    [1, { what: "answers late", millis }],
    [1, { what: "hangs" }],
    [1, { what: "hangs, done" }],
    [1, { what: "kills before" }],
    [2, { what: "kills after" }],
    [call === "commit" ? 3 : 0, { what: "is refused" }],
    [call === "publish" ? 6 : 0, { what: "drops" }],
    [isWakeUps ? 2 : 0, { what: "doubles" }],
    [isWakeUps ? 2 : 0, { what: "turns round" }]
  )
  return { kind: "fault", process, call, after: chance.weighted([4, 0], [2, 1], [1, 3]), fault }
}

/** The setting as one line, for people. */
export const printSetting = ({
  afterLast,
  burst,
  latencyMillis,
  mending,
  pace: { haste, patience }
}: Setting): string =>
  [
    `a Burst ${burst} the worker that folds it`,
    `after its last attempt an event is ${afterLast === "block" ? "in the way" : "skipped"}`,
    latencyMillis === 0 ? "no call is late by itself" : `calls take up to ${latencyMillis} ms`,
    patience === calm ? "nobody is made to yield" : `a fiber yields after at most ${patience} operations`,
    `it is mended ${mending}`,
    ...(haste === 0 ? [] : ["time passes while there is work"])
  ].join("; ")

/** One line, for people. */
export const print = (step: Placed): string => {
  const at = (index: number) => nameOf(places[index] ?? places[0])
  const asked = ({ key, submission: { event_name: name, payload } }: Request) =>
    `${name}${payload === undefined ? "" : ` ${JSON.stringify(payload)}`}${key === undefined ? "" : `, key ${key}`}`
  switch (step.kind) {
    case "start":
      return `${step.client} starts ${at(step.at)}${step.key === undefined ? "" : `, key ${step.key}`}`
    case "submit":
      return `${step.client} submits to ${at(step.at)}: ${asked(step.request)}`
    case "enqueue":
      return `${step.client} enqueues ${step.requests.map((each) => `to ${at(each.at)}: ${asked(each.request)}`).join("; ")}`
    case "process":
      return `${step.client} processes queued event ${step.which + 1} of ${at(step.at)}`
    case "redrive":
    case "discard":
      return `an operator ${step.kind}s the first event that is dead, from ${at(step.at)} on`
    case "wait":
      return `${step.millis} ms pass`
    case "fault": {
      const { fault } = step
      const nth = step.after === 0 ? "next" : `next but ${step.after}`
      return `the ${nth} "${step.call}" of ${step.process} ${fault.what}${"millis" in fault ? ` by ${fault.millis} ms` : ""}`
    }
    case "outage":
      return `${step.process} does not reach the ${step.of} for ${step.millis} ms`
    case "kill":
      return `kill -9 ${step.process}`
    case "boot":
      return `${step.process} starts, if it is down`
    case "stop":
      return `${step.process} stops in order`
    case "stream":
      return `the stream ${{ lose: "loses", double: "doubles", "turn round": "turns round" }[step.how]} all that waits in it`
    case "steal":
      return "a worker takes a share of the partitions and dies"
    case "clock":
      return `the clock of ${step.of} jumps by ${step.millis} ms`
  }
}

export const nameOf = ({ executionId, tenant }: ExecutionRef): string => `${tenant}/${executionId}`
