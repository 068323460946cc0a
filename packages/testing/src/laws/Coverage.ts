/** Which parts of a definition the generated logs reached. A law proves nothing about a state that no log reached. */
import { Workflow } from "@refold/core"
import { Result, Schema } from "effect"
import * as Graph from "./Graph.ts"
import type { Log } from "./LogArbitrary.ts"

export interface Coverage {
  readonly logCount: number
  readonly eventCount: number
  /** Logs that ended in a final state. */
  readonly completeCount: number
  /** Number of events of the longest log. */
  readonly longest: number
  /** Number of events that led to each state, including the start. */
  readonly states: ReadonlyMap<string, number>
  /** States of the definition that no log reached. */
  readonly unreachedStates: ReadonlyArray<string>
  /** Events that no state ever accepted. */
  readonly neverAccepted: ReadonlyArray<string>
  /** Sentences about what was not reached, and why: failed attempts, and what the table makes impossible. */
  readonly gaps: ReadonlyArray<string>
}

/** The logs did not reach every part of the definition, so the laws are not known to hold there. */
export class NotCovered extends Schema.TaggedError<NotCovered>()("NotCovered", {
  workflow: Schema.String,
  gaps: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return [
      `The laws hold on all generated logs, but the logs do not cover all of workflow "${this.workflow}":`,
      ...this.gaps.map((gap) => `  ${gap}`),
      'Generate what the guards accept: payloads with `payloads: { "an event": fc.record({ … }) }`, initial data with `starts`,',
      "users with `senders`, longer logs with `maxEventCount`, more logs with `numRuns`. If the gap is intended, pass",
      '`coverage: "report"`, and compare `unreachedStates` and `neverAccepted` of the report with what you expect.'
    ].join("\n")
  }
}

/** Collects what logs reach, log by log. */
export const collect = (workflow: Workflow.Workflow): { see(log: Log): void; coverage(): Coverage } => {
  let logCount = 0
  let eventCount = 0
  let completeCount = 0
  let longest = 0
  const states = new Map<string, number>()
  const edges = new Map<string, number>()
  const refusals = new Map<string, Refusal>()
  return {
    see: ({ attempts, events }) => {
      logCount++
      eventCount += events.length
      longest = Math.max(longest, events.length)
      for (const { event_name, from_state, to_state } of events) {
        increment(states, to_state)
        increment(edges, keyOf(from_state, event_name, to_state))
      }
      if (workflow.finalStates.has(events.at(-1)?.to_state ?? "")) completeCount++
      for (const { before, decision, isCareless, submission } of attempts) {
        if (isCareless || decision === undefined || Result.isSuccess(decision)) continue
        const key = keyOf(before.currentState, submission.event_name)
        const { _tag, message } = decision.failure
        const known = refusals.get(key)
        const problem = _tag === "PayloadInvalid" ? message : known?.problem
        refusals.set(key, { count: (known?.count ?? 0) + 1, ...(problem === undefined ? {} : { problem }) })
      }
    },
    coverage: () => {
      const possible = Graph.edgesOf(workflow)
      const taken = possible.filter(({ eventName, from, to }) => edges.has(keyOf(from, eventName, to)))
      const accepted = new Set(taken.map(({ eventName }) => eventName))
      const unreachedStates = [...workflow.transitions.keys()].filter((state) => !states.has(state))
      const missed = possible.filter((edge) => states.has(edge.from) && !taken.includes(edge))
      return {
        logCount,
        eventCount,
        completeCount,
        longest,
        states,
        unreachedStates,
        neverAccepted: Object.keys(workflow.events).filter((eventName) => !accepted.has(eventName)),
        gaps: [
          ...missed.map((edge) => missedEdge(workflow, edge, refusals.get(keyOf(edge.from, edge.eventName)))),
          ...without(workflow),
          ...(missed.length > 0 && unreachedStates.length > 0
            ? [`States that were not reached: ${unreachedStates.join(", ")}.`]
            : [])
        ]
      }
    }
  }
}

/** Refused submissions of one event in one state. */
interface Refusal {
  readonly count: number
  /** Why the schema refused a payload, if it did. */
  readonly problem?: string
}

const missedEdge = (
  workflow: Workflow.Workflow,
  { eventName, from, to }: Graph.Edge,
  refusal: Refusal | undefined
): string => {
  const targets = workflow.transitions.get(from)?.get(eventName) ?? []
  const index = targets.findIndex((target) => target.to === to)
  const what = `${eventName} in state ${from} never led to ${to}`
  if (targets.slice(0, Math.max(index, 0)).some(({ guard }) => guard === undefined)) {
    return `${what}: an earlier target always applies, so this one never does.`
  }
  if (refusal === undefined) return `${what}: it was never tried, or an earlier target always applied.`
  return refusal.problem === undefined
    ? `${what}: no guard accepted any of ${refusal.count} submissions.`
    : `${what}: its payloads were refused. ${refusal.problem}.`
}

/** Sentences about states and events that the table itself makes impossible. */
const without = (workflow: Workflow.Workflow): ReadonlyArray<string> =>
  Workflow.check(workflow).flatMap((finding) => {
    switch (finding._tag) {
      case "UnreachableState":
        return [`No event leads to state ${finding.state}. Add a transition, or remove the state.`]
      case "UnusedEvent":
        return [`No state accepts ${finding.eventName}. Add it to a state, or remove the event.`]
      default:
        return []
    }
  })

const increment = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

const keyOf = (...names: ReadonlyArray<string>): string => JSON.stringify(names)
