/**
 * A fast-check arbitrary of logs of a definition. It makes logs by deciding events, so they respect the table and the guards.
 * Shrinking removes steps, shrinks payloads, and decides the rest again.
 */
import type { ExecutionState } from "@refold/core"
import { type Decision, Json, Workflow, type WorkflowEvent } from "@refold/core"
import { Result } from "effect"
import fc from "fast-check"
import { type Drawn, draw, pick, smaller } from "./Draw.ts"
import * as Graph from "./Graph.ts"
import { leavesOf, withoutRuns } from "./JsonVariation.ts"
import { type Payload, PayloadArbitrary } from "./PayloadArbitrary.ts"
import { type Given, type Versioned, payloadsOf } from "./Payloads.ts"
import { type Attempt, Play, type Script, type Sender, type Step, play } from "./Play.ts"
import { type Goal, Routes } from "./Routes.ts"

/** Generators of a log, in addition to the definition. */
export interface Generators<Events extends Workflow.EventSchemas = Workflow.EventSchemas> extends Given<Events> {
  /** Requests that start executions; by default empty ones, which give the initial data of the definition. */
  readonly starts?: fc.Arbitrary<Decision.StartRequest>
  /** Users, event types and metadata of submissions, for guards that read them; by default `ann`, `bob` or no user. */
  readonly senders?: fc.Arbitrary<Sender>
  /** Maximum events after the start. By default 12, or three times the way to the farthest state if that is more. */
  readonly maxEventCount?: number
}

/**
 * Logs of one execution; many of their events share an instant. Half of the logs continue to a final state or to
 * `maxEventCount`. Most steps lead towards a transition that was drawn before, so that distant transitions are taken too.
 *
 * **Errors**
 *
 * Throws {@link CannotGenerate} when an event's schema yields no payload.
 */
export const logs = <State extends string, Data, Events extends Workflow.EventSchemas>(
  workflow: Workflow.Workflow<State, Data, Events>,
  generators: Generators<Events> = {}
): fc.Arbitrary<Log<Data>> => {
  const maxEventCount = generators.maxEventCount ?? defaultEventCount(workflow)
  return new LogArbitrary<Data>(workflow, {
    starts: generators.starts ?? fc.constant({}),
    senders: generators.senders ?? defaultSenders,
    maxEventCount,
    payloads: payloadsOf(workflow, generators)
  })
}

export interface Log<Data = unknown> {
  readonly events: ReadonlyArray<WorkflowEvent>
  readonly attempts: ReadonlyArray<Attempt<Data>>
  readonly [fc.toStringMethod]: () => string
}

/** The default of `maxEventCount`. */
export const defaultEventCount = (workflow: Workflow.Workflow): number =>
  Math.min(300, Math.max(12, 3 * Math.max(...Graph.depths(workflow).values())))

const defaultSenders: fc.Arbitrary<Sender> = fc.constantFrom<Sender>({}, { user_id: "ann" }, { user_id: "bob" })

/** One line of text per event. */
export const describe = (events: ReadonlyArray<WorkflowEvent>): string => events.map(describeEvent).join("\n")

export const describeEvent = (event: WorkflowEvent): string => {
  const version = event.schema_version === 1 ? "" : ` v${event.schema_version}`
  const by = event.user_id === undefined ? "" : ` by ${event.user_id}`
  const payload = event.payload === undefined ? "" : ` ${JSON.stringify(event.payload)}`
  return `  ${event.position}. ${event.created_at} ${event.event_name}${version}${by}: ${event.from_state} -> ${event.to_state}${payload}`
}

interface Settings {
  readonly starts: fc.Arbitrary<Decision.StartRequest>
  readonly senders: fc.Arbitrary<Sender>
  readonly maxEventCount: number
  readonly payloads: ReadonlyMap<string, ReadonlyArray<Versioned>>
}

/** A log ends after so many refused submissions in a row. */
const maxRefusedCount = 12

class LogArbitrary<Data> extends fc.Arbitrary<Log<Data>> {
  private readonly workflow: Workflow.Workflow<string, Data>
  private readonly settings: Settings
  private readonly routes: Routes
  private readonly scripts = new WeakMap<Log<Data>, Script>()

  constructor(workflow: Workflow.Workflow<string, Data>, settings: Settings) {
    super()
    this.workflow = workflow
    this.settings = settings
    this.routes = new Routes(workflow)
  }

  override generate(random: fc.Random, bias: number | undefined): fc.Value<Log<Data>> {
    const { maxEventCount, starts } = this.settings
    const start = draw(starts, random, bias)
    const steps: Array<Step> = []
    const played = new Play(this.workflow, start.value.value)
    const eventCount = random.nextBoolean() ? maxEventCount : random.nextInt(0, maxEventCount)
    // Half of the logs avoid the final states for a while, so that transitions before them are repeated too.
    const lingering = random.nextBoolean() ? 0 : random.nextInt(0, eventCount)
    // Some logs go straight to their goals, others take another event in one or two of five steps.
    const wandering = random.nextInt(0, 2)
    let goal: Goal
    let refusedCount = 0
    let isOver = false
    while (!isOver && played.state !== undefined && played.events.length <= eventCount) {
      const { state } = played
      const isLingering = played.events.length < lingering
      goal = isLingering ? undefined : this.routes.nextGoal(goal, state.currentState, played.events.at(-1), random)
      // After another event, a guard may accept what it refused before.
      const isDetour = refusedCount > 0 ? random.nextBoolean() : random.nextInt(0, 4) < wandering
      const eventName = isDetour
        ? this.routes.drawAny(state.currentState, random)
        : this.routes.drawEvent(state.currentState, goal, random)
      const step = this.drawStep(state, eventName, random, bias)
      steps.push(step)
      const before = played.events.length
      played.try(step)
      refusedCount = played.events.length > before ? 0 : refusedCount + 1
      // The step after completion is tried as well: a complete execution must refuse it.
      isOver = state.isComplete || refusedCount === maxRefusedCount
    }
    return this.asValue({ start, steps }, played)
  }

  override canShrinkWithoutContext(_value: unknown): _value is Log<Data> {
    return false
  }

  override shrink(log: Log<Data>): fc.Stream<fc.Value<Log<Data>>> {
    const script = this.scripts.get(log)
    if (script === undefined) return fc.Stream.nil()
    return fc.stream(simplerScripts(script)).map((less) => this.asValue(less, play(this.workflow, less)))
  }

  private asValue(script: Script, { attempts, events }: Play<Data>): fc.Value<Log<Data>> {
    const log: Log<Data> = { events, attempts, [fc.toStringMethod]: () => `\n${describe(events)}\n` }
    this.scripts.set(log, script)
    return new fc.Value(log, undefined)
  }

  /** The event with a drawn payload. In one of eight cases, or without an event, any submission of a careless client. */
  private drawStep(
    state: ExecutionState.ExecutionState<Data>,
    eventName: string | undefined,
    random: fc.Random,
    bias: number | undefined
  ): Step {
    const common = {
      toState: undefined,
      oldVersion: undefined,
      sender: draw(this.settings.senders, random, bias),
      elapsedMillis: pick([0, 0, 1, 60_000], random) ?? 0
    }
    const open = (isCareless: boolean) => ({
      ...common,
      eventName: openNames.generate(random, bias).value,
      toState: random.nextBoolean() ? openNames.generate(random, bias).value : undefined,
      payload: draw<Payload>(isCareless ? json : objects, random, bias),
      isCareless
    })
    const isCareless = random.nextInt(0, 7) === 0
    if (Workflow.isOpen(this.workflow)) return open(isCareless)
    if (eventName === undefined || isCareless) {
      return {
        ...open(true),
        eventName: pick([...this.settings.payloads.keys(), "Unknown", ...oddNames], random) ?? "Unknown",
        toState: random.nextBoolean() ? pick([...this.workflow.transitions.keys(), "Unknown"], random) : undefined
      }
    }
    const [current, ...older] = this.settings.payloads.get(eventName) ?? []
    const old = random.nextInt(0, older.length)
    const chosen = old === 0 ? current : older[old - 1]
    const payload = draw(chosen?.payloads ?? fc.constant(undefined), random, bias)
    return {
      ...common,
      eventName,
      payload: this.varied(payload, state, random),
      oldVersion: old === 0 ? undefined : chosen?.version,
      isCareless: false
    }
  }

  /** Varies the payloads of schemas. Payloads from an arbitrary of the user stay unchanged. */
  private varied(
    { arbitrary, value }: Drawn<Payload>,
    state: ExecutionState.ExecutionState<Data>,
    random: fc.Random
  ): Drawn<Payload> {
    if (!(arbitrary instanceof PayloadArbitrary) || random.nextInt(0, 2) > 0) {
      return { arbitrary, value }
    }
    const known = leavesOf(Result.getOrUndefined(this.workflow.encodeData(state.data)))
    return { arbitrary, value: new fc.Value(arbitrary.vary(value.value, known, random), undefined) }
  }
}

/** Scripts with fewer steps, then scripts with smaller steps. */
function* simplerScripts({ start, steps }: Script): Generator<Script> {
  for (const fewer of withoutRuns(steps)) yield { start, steps: fewer }
  for (const less of smaller(start)) yield { start: less, steps }
  for (const [index, step] of steps.entries()) {
    for (const less of simplerSteps(step)) yield { start, steps: steps.with(index, less) }
  }
}

function* simplerSteps(step: Step): Generator<Step> {
  if (step.elapsedMillis > 0) yield { ...step, elapsedMillis: 0 }
  if (step.toState !== undefined) yield { ...step, toState: undefined }
  for (const sender of smaller(step.sender)) yield { ...step, sender }
  for (const payload of smaller(step.payload)) yield { ...step, payload }
}

const json: fc.Arbitrary<Json.Json> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => Json.check(value))
  .filter(Result.isSuccess)
  .map((checked) => checked.success)

const oddNames = ["Opened", "Changed", "Closed", "constructor", "__proto__", "7", ""]
const names = fc.oneof(fc.constantFrom(...oddNames), fc.string({ unit: "grapheme", maxLength: 5 }))
const openNames = names.filter((name) => name !== "")
const objects = fc.dictionary(
  names.filter((name) => name !== "__proto__"),
  json,
  { maxKeys: 4 }
)
