/**
 * Verifies a store: every log is gap-free and folds to what its header says, and every snapshot is what the log folds to.
 */
import {
  type ExecutionHeader,
  ExecutionState,
  Replay,
  Snapshot,
  Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, Effect, Result, Stream } from "effect"
import { Workflows } from "./Workflows.ts"

/** Something in the store that should not be. */
export interface Finding {
  /** Absent for a finding about a partition's feed. */
  readonly tenant?: string
  readonly executionId?: string
  readonly problem: string
}

export interface VerificationReport {
  readonly executionCount: number
  /** Of these, the executions whose workflow is not registered in this process: their data and snapshots went unchecked. */
  readonly unknownWorkflowCount: number
  readonly eventCount: number
  readonly snapshotCount: number
  /** Snapshots of another fold, which every replay ignores. */
  readonly ignoredSnapshotCount: number
  /** The first {@link maxFindings} of them. */
  readonly findings: ReadonlyArray<Finding>
  readonly findingCount: number
}

export const maxFindings = 100

/** Executions looked at together. */
const pageSize = 500

const feedPageSize = 2000

/** What is being found out, page after page. */
class Report {
  executionCount = 0
  unknownWorkflowCount = 0
  eventCount = 0
  snapshotCount = 0
  ignoredSnapshotCount = 0
  findingCount = 0
  readonly findings: Array<Finding> = []

  find(finding: Finding): void {
    this.findingCount += 1
    if (this.findings.length < maxFindings) this.findings.push(finding)
  }
}

/** One execution being folded twice: from its first event, and anew from each snapshot. */
class Check {
  readonly #header: ExecutionHeader
  readonly #workflow: Workflow.Workflow
  readonly #report: Report
  #fromLog: ExecutionState.ExecutionState | undefined
  #fromSnapshot: ExecutionState.ExecutionState | undefined
  #isBroken = false
  #lastPosition = 0

  constructor(header: ExecutionHeader, workflow: Workflow.Workflow, report: Report) {
    this.#header = header
    this.#workflow = workflow
    this.#report = report
  }

  find(problem: string): void {
    const { executionId, tenant } = this.#header
    this.#report.find({ tenant, executionId, problem })
  }

  /** The last event read: beyond the header when the execution moved meanwhile. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  fold(events: ReadonlyArray<WorkflowEvent>): void {
    this.#lastPosition = events.at(-1)?.position ?? this.#lastPosition
    if (this.#isBroken) return
    const bounds = { to: this.#header.position }
    const fromLog = Replay.fold(this.#workflow, this.#fromLog, events, bounds)
    if (Result.isFailure(fromLog)) {
      this.#isBroken = true
      this.find(fromLog.failure.message)
      return
    }
    this.#fromLog = fromLog.success
    if (this.#fromSnapshot === undefined) return
    const fromSnapshot = Replay.fold(this.#workflow, this.#fromSnapshot, events, bounds)
    this.#fromSnapshot = Result.isSuccess(fromSnapshot) ? fromSnapshot.success : undefined
  }

  /** Must follow the events up to the snapshot's position, and no others. */
  compare(snapshot: Snapshot.Snapshot): void {
    this.#report.snapshotCount += 1
    if (this.#isBroken) return
    const restored = Snapshot.restore(this.#workflow, snapshot)
    if (Result.isFailure(restored)) {
      if (restored.failure === "FingerprintMismatch") this.#report.ignoredSnapshotCount += 1
      else this.find(`its snapshot at position ${snapshot.position} is damaged`)
      return
    }
    if (hashOf(this.#workflow, this.#fromLog) !== snapshot.state_hash) {
      this.find(`its snapshot at position ${snapshot.position} is not what the log folds to`)
    }
    this.#fromSnapshot = restored.success
  }

  finish(): void {
    this.#report.executionCount += 1
    if (this.#isBroken) return
    const { currentState, isComplete, position, startedAt, updatedAt, workflow } = this.#header
    const state = this.#fromLog
    if (state?.position !== position) {
      this.find(`its log ends at position ${state?.position ?? 0}, but its header is at ${position}`)
      return
    }
    if (
      state.currentState !== currentState ||
      // A definition that stands in for an unknown one knows no final states.
      (state.workflow.version === workflow.version && state.isComplete !== isComplete) ||
      state.startedAt !== startedAt ||
      state.updatedAt !== updatedAt
    ) {
      this.find("its header is not what its log folds to")
    }
    if (
      this.#fromSnapshot !== undefined &&
      hashOf(this.#workflow, this.#fromSnapshot) !== hashOf(this.#workflow, state)
    ) {
      this.find("its state differs with and without its snapshots")
    }
  }
}

const hashOf = (workflow: Workflow.Workflow, state: ExecutionState.ExecutionState | undefined): string | undefined => {
  if (state === undefined) return undefined
  const data = workflow.encodeData(state.data)
  return Result.isSuccess(data) ? ExecutionState.hash(state, data.success) : undefined
}

/**
 * Replays every execution of a tenant, or of all, from its first event and from its snapshots, and checks that the feed of
 * every partition counts 1, 2, 3 … to its end.
 *
 * **Details**
 *
 * Reads the whole log once, and the feeds, in bounded memory. Executions whose workflow is not registered here are
 * counted, and their data is not checked. Writers may go on meanwhile.
 */
export const verify = Effect.fn("Verification.verify")(function* (options: {
  readonly tenant?: string
  readonly onProgress?: (eventCount: number) => Effect.Effect<void>
}) {
  const { onProgress = () => Effect.void } = options
  const executions = yield* WorkflowExecutionModel
  const report = new Report()
  const tenants = options.tenant === undefined ? yield* executions.tenants : [options.tenant]
  for (const tenant of tenants) {
    yield* executions.list({ tenant, batchSize: pageSize }).pipe(
      Stream.rechunk(pageSize),
      Stream.runForEachArray((headers) =>
        Effect.andThen(
          verifyPage(tenant, headers, report),
          Effect.suspend(() => onProgress(report.eventCount))
        )
      )
    )
  }
  yield* verifyFeeds(report)
  const answer: VerificationReport = { ...report }
  return answer
})

const verifyPage = Effect.fnUntraced(function* (
  tenant: string,
  listed: Array.NonEmptyReadonlyArray<ExecutionHeader>,
  report: Report
) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const snapshots = yield* WorkflowSnapshotModel
  const workflows = yield* Workflows
  const range = {
    tenant,
    fromExecutionId: Array.headNonEmpty(listed).executionId,
    toExecutionId: Array.lastNonEmpty(listed).executionId
  }
  const executionIds = listed.map((header) => header.executionId)
  // In this order, so that what writers add meanwhile never lies beyond what is read after it.
  const taken = Array.groupBy(yield* Stream.runCollect(snapshots.readTenant(range)), (each) => `=${each.execution_id}`)
  const headers = yield* executions.findMany({ tenant, executionIds })
  const checks = new Map<string, Check>()
  for (const header of headers) {
    const { executionId, workflow } = header
    const found = yield* Effect.result(workflows.get(workflow.name, workflow.version))
    if (Result.isFailure(found)) report.unknownWorkflowCount += 1
    // States and positions fold the same in every definition; only the data needs its own.
    const definition = Result.getOrElse(found, () => Workflow.open(workflow.name))
    checks.set(executionId, new Check(header, definition, report))
  }
  yield* Stream.runForEachArray(events.readTenant(range), (batch) =>
    Effect.sync(() => {
      report.eventCount += batch.length
      for (const run of Array.groupWith(batch, isSameExecution)) {
        const check = checks.get(run[0].execution_id)
        if (check !== undefined) foldRun(check, run, taken[`=${run[0].execution_id}`] ?? [])
      }
    })
  )
  for (const { executionId, position } of headers) {
    for (const snapshot of taken[`=${executionId}`] ?? []) {
      if (snapshot.position > position) {
        checks.get(executionId)?.find(`its snapshot at position ${snapshot.position} lies beyond its end`)
      }
    }
    checks.get(executionId)?.finish()
  }
  const moved = headers.filter(({ executionId, position }) => (checks.get(executionId)?.lastPosition ?? 0) > position)
  if (moved.length === 0) return
  const again = yield* executions.findMany({ tenant, executionIds: moved.map((header) => header.executionId) })
  for (const { executionId, position } of again) {
    const check = checks.get(executionId)
    if (check !== undefined && check.lastPosition > position) {
      check.find(`its log goes on to position ${check.lastPosition}, but its header is at ${position}`)
    }
  }
})

const isSameExecution = (left: WorkflowEvent, right: WorkflowEvent): boolean => left.execution_id === right.execution_id

/** Folds a run of one execution's events, stopping at each snapshot on the way to compare. */
const foldRun = (
  check: Check,
  run: Array.NonEmptyReadonlyArray<WorkflowEvent>,
  snapshots: ReadonlyArray<Snapshot.Snapshot>
): void => {
  let folded = 0
  for (const snapshot of snapshots) {
    const end = run.findIndex((event) => event.position === snapshot.position) + 1
    if (end === 0) continue
    check.fold(run.slice(folded, end))
    check.compare(snapshot)
    folded = end
  }
  check.fold(run.slice(folded))
}

const verifyFeeds = Effect.fnUntraced(function* (report: Report) {
  const events = yield* WorkflowEventModel
  for (let partition = 0; partition < events.partitionCount; partition++) {
    let after = 0
    for (;;) {
      const page = yield* events.readFeed({ partition, after, limit: feedPageSize })
      const gap = page.find((event, place) => event.offset !== after + place + 1)
      if (gap !== undefined) {
        report.find({ problem: `The feed of partition ${partition} has a gap before offset ${gap.offset}` })
        break
      }
      after += page.length
      if (page.length < feedPageSize) break
    }
  }
})
