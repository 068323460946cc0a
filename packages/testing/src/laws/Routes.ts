/** Chooses the events of a random walk through the table of a definition, so that walks reach every transition and every end. */
import type { Workflow } from "@refold/core"
import { Decision, type WorkflowEvent } from "@refold/core"
import type fc from "fast-check"
import { pick } from "./Draw.ts"
import * as Graph from "./Graph.ts"

/** The transition that a walk leads to; undefined while the walk avoids its end. */
export type Goal = Graph.Edge | undefined

export class Routes {
  private readonly workflow: Workflow.Workflow
  private readonly edges: ReadonlyArray<Graph.Edge>
  /** By state: the events after which the walk can continue for ever. */
  private readonly lingering: ReadonlyMap<string, ReadonlyArray<string>>
  /** By target state: the events on the shortest ways to it, by state. */
  private readonly ways = new Map<string, ReadonlyMap<string, ReadonlyArray<string>>>()

  constructor(workflow: Workflow.Workflow) {
    this.workflow = workflow
    this.edges = Graph.edgesOf(workflow)
    this.lingering = eventsByState(endless(this.edges))
  }

  /**
   * The same goal while it is reachable and was not just taken; else a new one: any transition that is still reachable, in half
   * of all cases one that ends the execution.
   */
  nextGoal(goal: Goal, currentState: string, last: WorkflowEvent | undefined, random: fc.Random): Goal {
    if (goal !== undefined && !isTaken(goal, last) && this.isAhead(goal, currentState)) return goal
    const ahead = this.edges.filter((edge) => this.isAhead(edge, currentState))
    const final = ahead.filter(({ to }) => this.workflow.finalStates.has(to))
    return pick(final.length > 0 && random.nextBoolean() ? final : ahead, random)
  }

  private towards(goal: Graph.Edge, currentState: string): ReadonlyArray<string> | undefined {
    return goal.from === currentState ? [goal.eventName] : this.wayTo(goal.from).get(currentState)
  }

  private isAhead({ from }: Graph.Edge, currentState: string): boolean {
    return from === currentState || this.wayTo(from).has(currentState)
  }

  /** An event that the state accepts by name: if possible, one on the way to the goal. */
  drawEvent(currentState: string, goal: Goal, random: fc.Random): string | undefined {
    const preferred = goal === undefined ? this.lingering.get(currentState) : this.towards(goal, currentState)
    return preferred === undefined ? this.drawAny(currentState, random) : pick(preferred, random)
  }

  /** Any event that the state accepts by name. */
  drawAny(currentState: string, random: fc.Random): string | undefined {
    return pick(Decision.allowedEvents(this.workflow, currentState), random)
  }

  private wayTo(state: string): ReadonlyMap<string, ReadonlyArray<string>> {
    const known = this.ways.get(state)
    if (known !== undefined) return known
    const distances = Graph.distancesTo(this.workflow, state)
    const at = (from: string) => distances.get(from) ?? Number.POSITIVE_INFINITY
    const way = eventsByState(this.edges.filter(({ from, to }) => at(to) < at(from)))
    this.ways.set(state, way)
    return way
  }
}

/** The edges after which a walk can continue for ever. */
const endless = (edges: ReadonlyArray<Graph.Edge>): ReadonlyArray<Graph.Edge> => {
  const left = new Set(edges.map(({ from }) => from))
  const kept = edges.filter(({ to }) => left.has(to))
  return kept.length === edges.length ? kept : endless(kept)
}

const isTaken = ({ eventName, from, to }: Graph.Edge, last: WorkflowEvent | undefined): boolean =>
  from === last?.from_state && eventName === last.event_name && to === last.to_state

const eventsByState = (edges: ReadonlyArray<Graph.Edge>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const events = new Map<string, Array<string>>()
  for (const { eventName, from } of edges) events.set(from, [...(events.get(from) ?? []), eventName])
  return events
}
