/** `checkWorkflow`, the entry of this package for users: it checks the laws on a definition. */
import type { Workflow } from "@refold/core"
import { Upcast } from "@refold/core"
import { CannotGenerate } from "./CannotGenerate.ts"
import * as Coverage from "./Coverage.ts"
import * as Difference from "./Difference.ts"
import { LawBroken } from "./LawBroken.ts"
import type { LawName, Setup } from "./Law.ts"
import { laws } from "./Laws.ts"
import { type Generators, defaultEventCount, logs } from "./LogArbitrary.ts"
import * as LostData from "./LostData.ts"
import { payloadsOf } from "./Payloads.ts"

/** Generators, and the amount of logs. */
export interface Options<Events extends Workflow.EventSchemas = Workflow.EventSchemas> extends Generators<Events> {
  /** The laws to check; all of them by default. */
  readonly laws?: ReadonlyArray<LawName>
  /** Minimum number of logs for each law; 100 by default, as in fast-check. */
  readonly numRuns?: number
  /** Seed of the random generator; a failure names it. */
  readonly seed?: number
  /** Path of a failure, which names it: only its run and its shrinking are repeated. */
  readonly path?: string
  /** Whether to throw when no log reached some states or transitions; by default yes. */
  readonly coverage?: "require" | "report"
  /** Parts of older payloads that upcasters drop on purpose: JSON pointers, by event. */
  readonly dropped?: { readonly [EventName in keyof Events]?: ReadonlyArray<string> }
}

/** The checked laws, and the logs they were checked on. */
export interface Report extends Coverage.Coverage {
  readonly workflow: string
  readonly laws: ReadonlyArray<LawName>
  readonly seed: number
}

/** Maximum rounds of generation: another round begins while states or transitions are not covered. */
const maxRounds = 4

/**
 * Checks the laws on logs generated from a definition; returns a report of what the logs covered.
 *
 * **Errors**
 *
 * Throws {@link LawBroken} for the first law that does not hold, with the smallest history that breaks it;
 * {@link CannotGenerate} when the schema of an event yields no payload; {@link Coverage.NotCovered} when all laws hold, but the
 * logs do not reach every state and transition.
 */
export const checkWorkflow = <State extends string, Data, Events extends Workflow.EventSchemas>(
  workflow: Workflow.Workflow<State, Data, Events>,
  options: Options<Events> = {}
): Report => {
  const chosen = laws.filter(({ name }) => options.laws?.includes(name) ?? true)
  if (chosen.some(({ name }) => name === "upcasts")) requireOldPayloads(workflow, options)
  const collected = Coverage.collect(workflow)
  const setup: Setup = {
    workflow,
    logs: logs(workflow, options),
    maxEventCount: options.maxEventCount ?? defaultEventCount(workflow),
    see: (log) => collected.see(log)
  }
  const { numRuns, path } = options
  const isComplete = () => options.coverage === "report" || path !== undefined || collected.coverage().gaps.length === 0
  let { seed } = options
  for (let round = 0; round === 0 || (round < maxRounds && !isComplete()); round++) {
    for (const law of chosen) {
      // Each law gets different logs in each round.
      const shift = round * laws.length + laws.indexOf(law)
      const run = law.run(setup, {
        ...(numRuns === undefined ? {} : { numRuns }),
        ...(seed === undefined ? {} : { seed: (seed + shift) | 0 }),
        ...(path === undefined ? {} : { path, endOnFailure: true })
      })
      seed ??= (run.seed - shift) | 0
      if (run.errorInstance instanceof LawBroken) {
        throw repeatable(run.errorInstance, (seed + round * laws.length) | 0, run.counterexamplePath)
      }
      if (run.failed) throw run.errorInstance
      if (law.name === "upcasts" && round === 0) requireNothingLost(workflow, options, seed)
    }
  }
  const report: Report = {
    workflow: workflow.name,
    laws: chosen.map(({ name }) => name),
    seed: seed ?? 0,
    ...collected.coverage()
  }
  if (!isComplete()) {
    throw new Coverage.NotCovered({ workflow: workflow.name, gaps: report.gaps })
  }
  return report
}

/** The report as a few lines of text. */
export const describeReport = (report: Report): string =>
  [
    `Workflow "${report.workflow}" keeps ${report.laws.length} laws on ${report.logCount} logs (seed ${report.seed})`,
    `events      ${report.eventCount}, up to ${report.longest} in a log`,
    `complete    ${report.completeCount} logs`,
    `states      ${[...report.states].map(([state, count]) => `${state} ${count}`).join(", ")}`,
    ...report.gaps.map((gap) => `not covered ${gap}`)
  ].join("\n")

/** The broken law, with the seed and the path that repeat it. */
const repeatable = (broken: LawBroken, seed: number, path: string | null): LawBroken => {
  const { assertion, cuts, differences, history, law, promise, workflow } = broken
  return new LawBroken({
    workflow,
    law,
    promise,
    assertion,
    history,
    cuts,
    differences,
    seed,
    expected: broken.expected,
    actual: broken.actual,
    ...(path === null ? {} : { path }),
    ...(broken.cause === undefined ? {} : { cause: broken.cause })
  })
}

/** Without payloads of the versions that they read, upcasters would not be checked. */
const requireOldPayloads = <Events extends Workflow.EventSchemas>(
  { events, name }: Workflow.Workflow<string, unknown, Events>,
  { oldPayloads }: Options<Events>
): void => {
  const given = byName(oldPayloads)
  const problems = Object.entries<Upcast.EventSchema>(events).flatMap(([eventName, event]) => {
    const wanted = Upcast.upcastersOf(event).length
    const count = given.get(eventName)?.length ?? 0
    return count === wanted
      ? []
      : [
          `${eventName} has ${wanted} older ${wanted === 1 ? "version" : "versions"}, and ${count} of them with payloads. ` +
            `Give one schema or fast-check arbitrary for each, the oldest first, as \`oldPayloads: { ${JSON.stringify(eventName)}: [ … ] }\``
        ]
  })
  if (problems.length > 0) throw new CannotGenerate({ workflow: name, problems })
}

const requireNothingLost = <Events extends Workflow.EventSchemas>(
  workflow: Workflow.Workflow<string, unknown, Events>,
  options: Options<Events>,
  seed: number
): void => {
  const dropped = byName(options.dropped)
  for (const [eventName, versions] of payloadsOf(workflow, options)) {
    const event: Upcast.EventSchema | undefined = workflow.events[eventName]
    if (event === undefined) continue
    for (const { payloads, version } of versions) {
      if (version === Upcast.currentVersion(event)) continue
      const { numRuns } = options
      const lost = LostData.find(event, version, payloads, dropped.get(eventName) ?? [], {
        seed,
        ...(numRuns === undefined ? {} : { numRuns })
      })
      if (lost === undefined) continue
      const { left, path, right, upcast } = lost
      throw new LawBroken({
        workflow: workflow.name,
        law: "upcasts",
        promise: "upcasting loses nothing",
        assertion:
          `${path} of ${eventName}, version ${version}, makes a difference to the upcast payload; ` +
          `if it is left out on purpose, say so by \`dropped: { ${JSON.stringify(eventName)}: [${JSON.stringify(path)}] }\``,
        history: [],
        cuts: [],
        expected: `${Difference.show(left)} and ${Difference.show(right)} become different payloads`,
        actual: `both become ${Difference.show(upcast)}`,
        differences: [],
        seed
      })
    }
  }
}

const byName = <Value>(
  values: { readonly [eventName: string]: Value | undefined } | undefined
): ReadonlyMap<string, Value> =>
  new Map(
    Object.entries(values ?? {}).flatMap(([eventName, value]) => (value === undefined ? [] : [[eventName, value]]))
  )
