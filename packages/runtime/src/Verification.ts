/**
 * Verifies a store: every log has no gaps and folds to the state in its header, and every snapshot equals the fold of its log.
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

/** A problem in the store. */
export interface Finding {
  /** Absent for a finding about the feed of a partition. */
  readonly tenant?: string
  readonly executionId?: string
  readonly problem: string
}

export interface VerificationReport {
  readonly executionCount: number
  /** Executions whose workflow is not registered in this process: their data and snapshots were not checked. */
  readonly unknownWorkflowCount: number
  readonly eventCount: number
  readonly snapshotCount: number
  /** Snapshots with another fingerprint, which every replay ignores. */
  readonly ignoredSnapshotCount: number
  /** The first {@link maxFindings} findings. */
  readonly findings: ReadonlyArray<Finding>
  readonly findingCount: number
}

export const maxFindings = 100

/** Executions that are checked together. */
const pageSize = 500

const feedPageSize = 2000

/**
 * Replays every execution of a tenant, or of all tenants, from its first event and from its snapshots, and checks that the
 * offsets in the feed of every partition are 1, 2, 3 … to its end.
 *
 * **Details**
 *
 * Reads every log and every feed once, in bounded memory. Executions whose workflow is not registered here are counted, but
 * their data is not checked. Writers may continue during the verification.
 */
export const verify = Effect.fn("Verification.verify")(function* (options: {
  readonly tenant?: string
  readonly onProgress?: (eventCount: number) => Effect.Effect<void>
}) {
  const { onProgress = () => Effect.void } = options
  const executions = yield* WorkflowExecutionModel
  const tally = emptyTally()
  const tenants = options.tenant === undefined ? yield* executions.tenants : [options.tenant]
  for (const tenant of tenants) {
    yield* executions.list({ tenant, batchSize: pageSize }).pipe(
      Stream.rechunk(pageSize),
      Stream.runForEachArray((headers) =>
        Effect.andThen(
          verifyPage(tally, tenant, headers),
          Effect.suspend(() => onProgress(tally.eventCount))
        )
      )
    )
  }
  yield* verifyFeeds(tally)
  const report: VerificationReport = { ...tally }
  return report
})

/** The report while it grows, page by page. */
interface Tally {
  executionCount: number
  unknownWorkflowCount: number
  eventCount: number
  snapshotCount: number
  ignoredSnapshotCount: number
  findingCount: number
  readonly findings: Array<Finding>
}

const emptyTally = (): Tally => ({
  executionCount: 0,
  unknownWorkflowCount: 0,
  eventCount: 0,
  snapshotCount: 0,
  ignoredSnapshotCount: 0,
  findingCount: 0,
  findings: []
})

const addFinding = (tally: Tally, finding: Finding): void => {
  tally.findingCount += 1
  if (tally.findings.length < maxFindings) tally.findings.push(finding)
}

// --- Executions -------------------------------------------------------------------------------------------------------

const verifyPage = Effect.fnUntraced(function* (
  tally: Tally,
  tenant: string,
  listed: Array.NonEmptyReadonlyArray<ExecutionHeader>
) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const snapshots = yield* WorkflowSnapshotModel
  const range = {
    tenant,
    fromExecutionId: Array.headNonEmpty(listed).executionId,
    toExecutionId: Array.lastNonEmpty(listed).executionId
  }
  const executionIds = listed.map((header) => header.executionId)
  // In this order, each read sees at least as much as the one before it: writers may continue meanwhile.
  const found = yield* Stream.runCollect(snapshots.readTenant(range))
  const headers = yield* executions.findMany({ tenant, executionIds })
  const checks = yield* openChecks(tally, headers, found)
  yield* Stream.runForEachArray(events.readTenant(range), (batch) =>
    Effect.sync(() => {
      tally.eventCount += batch.length
      for (const run of Array.groupWith(batch, isSameExecution)) {
        const check = checks.get(run[0].execution_id)
        if (check !== undefined) foldRun(tally, check, run)
      }
    })
  )
  for (const check of checks.values()) finish(tally, check)
  yield* checkMoved(tally, tenant, [...checks.values()])
})

/** The check of one execution, which is folded twice: from its first event, and again from each snapshot. */
interface Check {
  readonly header: ExecutionHeader
  readonly workflow: Workflow.Workflow
  /** In order of positions. */
  readonly snapshots: ReadonlyArray<Snapshot.Snapshot>
  fromLog: ExecutionState.ExecutionState | undefined
  fromSnapshot: ExecutionState.ExecutionState | undefined
  /** Whether the log does not fold. */
  isBroken: boolean
  /** Position of the last event read. It is beyond the header if the execution moved meanwhile. */
  lastPosition: number
}

const openChecks = Effect.fnUntraced(function* (
  tally: Tally,
  headers: ReadonlyArray<ExecutionHeader>,
  found: ReadonlyArray<Snapshot.Snapshot>
) {
  const workflows = yield* Workflows
  const snapshots = new Map<string, Array<Snapshot.Snapshot>>()
  for (const snapshot of found) {
    const known = snapshots.get(snapshot.execution_id)
    if (known === undefined) snapshots.set(snapshot.execution_id, [snapshot])
    else known.push(snapshot)
  }
  const checks = new Map<string, Check>()
  for (const header of headers) {
    const { executionId, workflow } = header
    const definition = yield* Effect.result(workflows.get(workflow.name, workflow.version))
    if (Result.isFailure(definition)) tally.unknownWorkflowCount += 1
    checks.set(executionId, {
      header,
      // States and positions fold the same in every definition; only the data needs its own.
      workflow: Result.getOrElse(definition, () => Workflow.open(workflow.name)),
      snapshots: snapshots.get(executionId) ?? [],
      fromLog: undefined,
      fromSnapshot: undefined,
      isBroken: false,
      lastPosition: 0
    })
  }
  return checks
})

const isSameExecution = (left: WorkflowEvent, right: WorkflowEvent): boolean => left.execution_id === right.execution_id

const addProblem = (tally: Tally, { header: { executionId, tenant } }: Check, problem: string): void =>
  addFinding(tally, { tenant, executionId, problem })

/** Folds a run of one execution's events, and compares with each snapshot at its position. */
const foldRun = (tally: Tally, check: Check, run: Array.NonEmptyReadonlyArray<WorkflowEvent>): void => {
  let foldedCount = 0
  for (const snapshot of check.snapshots) {
    const end = run.findIndex((event) => event.position === snapshot.position) + 1
    if (end === 0) continue
    fold(tally, check, run.slice(foldedCount, end))
    compare(tally, check, snapshot)
    foldedCount = end
  }
  fold(tally, check, run.slice(foldedCount))
}

const fold = (tally: Tally, check: Check, events: ReadonlyArray<WorkflowEvent>): void => {
  check.lastPosition = events.at(-1)?.position ?? check.lastPosition
  if (check.isBroken) return
  const bounds = { to: check.header.position }
  const fromLog = Replay.fold(check.workflow, check.fromLog, events, bounds)
  if (Result.isFailure(fromLog)) {
    check.isBroken = true
    return addProblem(tally, check, fromLog.failure.message)
  }
  check.fromLog = fromLog.success
  if (check.fromSnapshot === undefined) return
  const fromSnapshot = Replay.fold(check.workflow, check.fromSnapshot, events, bounds)
  check.fromSnapshot = Result.isSuccess(fromSnapshot) ? fromSnapshot.success : undefined
}

/** Compares a snapshot with the fold of exactly the events up to its position. */
const compare = (tally: Tally, check: Check, snapshot: Snapshot.Snapshot): void => {
  tally.snapshotCount += 1
  if (check.isBroken) return
  const restored = Snapshot.restore(check.workflow, snapshot)
  if (Result.isFailure(restored)) {
    if (restored.failure === "FingerprintMismatch") tally.ignoredSnapshotCount += 1
    else addProblem(tally, check, `its snapshot at position ${snapshot.position} is damaged`)
    return
  }
  if (hashOf(check.workflow, check.fromLog) !== snapshot.state_hash) {
    addProblem(tally, check, `its snapshot at position ${snapshot.position} differs from the fold of its log`)
  }
  check.fromSnapshot = restored.success
}

/** Compares the header, and the last snapshot, with the fold of the whole log. */
const finish = (tally: Tally, check: Check): void => {
  const { fromLog: state, fromSnapshot, header, snapshots, workflow } = check
  for (const { position } of snapshots) {
    if (position > header.position) addProblem(tally, check, `its snapshot at position ${position} lies beyond its end`)
  }
  tally.executionCount += 1
  if (check.isBroken) return
  if (state?.position !== header.position) {
    return addProblem(
      tally,
      check,
      `its log ends at position ${state?.position ?? 0}, but its header is at ${header.position}`
    )
  }
  if (
    state.currentState !== header.currentState ||
    // A definition that stands in for an unknown one knows no final states.
    (state.workflow.version === header.workflow.version && state.isComplete !== header.isComplete) ||
    state.startedAt !== header.startedAt ||
    state.updatedAt !== header.updatedAt
  ) {
    addProblem(tally, check, "its header differs from the fold of its log")
  }
  if (fromSnapshot !== undefined && hashOf(workflow, fromSnapshot) !== hashOf(workflow, state)) {
    addProblem(tally, check, "its state differs with and without its snapshots")
  }
}

const hashOf = (workflow: Workflow.Workflow, state: ExecutionState.ExecutionState | undefined): string | undefined => {
  if (state === undefined) return undefined
  const data = workflow.encodeData(state.data)
  return Result.isSuccess(data) ? ExecutionState.hash(state, data.success) : undefined
}

/** A log may be longer than its header was, because writers continue; but not longer than the header is afterwards. */
const checkMoved = Effect.fnUntraced(function* (tally: Tally, tenant: string, checks: ReadonlyArray<Check>) {
  const executions = yield* WorkflowExecutionModel
  const moved = new Map(
    checks
      .filter(({ header, lastPosition }) => lastPosition > header.position)
      .map((check) => [check.header.executionId, check])
  )
  if (moved.size === 0) return
  for (const { executionId, position } of yield* executions.findMany({ tenant, executionIds: [...moved.keys()] })) {
    const check = moved.get(executionId)
    if (check !== undefined && check.lastPosition > position) {
      addProblem(
        tally,
        check,
        `its log has events up to position ${check.lastPosition}, but its header is at ${position}`
      )
    }
  }
})

// --- Feeds ------------------------------------------------------------------------------------------------------------

const verifyFeeds = Effect.fnUntraced(function* (tally: Tally) {
  const events = yield* WorkflowEventModel
  for (let partition = 0; partition < events.partitionCount; partition++) {
    let after = 0
    for (;;) {
      const page = yield* events.readFeed({ partition, after, limit: feedPageSize })
      const gap = page.find((event, index) => event.offset !== after + index + 1)
      if (gap !== undefined) {
        addFinding(tally, { problem: `The feed of partition ${partition} has a gap before offset ${gap.offset}` })
        break
      }
      after += page.length
      if (page.length < feedPageSize) break
    }
  }
})
