/** Why commits wrote nothing. */
import { Commit, type ExecutionRef, executionKey } from "@refold/core"
import { Effect } from "effect"
import { texts } from "../Arrays.ts"
import type { Database } from "../Database.ts"
import { instantText } from "../InstantText.ts"

interface PositionRow {
  readonly tenant: string
  readonly execution_id: string
  readonly position: number
  readonly updated_at: Date
}

/** Explains each of the commits, from the headers as they are now. Asks the server nothing if no commit was refused. */
export const explainRefusals = (database: Database, refused: ReadonlyArray<Commit.Commit>) =>
  Effect.map(refused.length === 0 ? Effect.succeed([]) : readPositions(database, refused), (rows) => {
    const found = new Map(rows.map((row) => [executionKey({ tenant: row.tenant, executionId: row.execution_id }), row]))
    return (commit: Commit.Commit) => refusalOf(commit, found.get(executionKey(commit)))
  })

/** The execution is elsewhere, or its last event is later than the first of the commit. */
const refusalOf = (commit: Commit.Commit, row: PositionRow | undefined): Commit.CommitRefused => {
  const { executionId, expectedPosition, tenant } = commit
  const actual = row?.position ?? 0
  const updatedAt = row === undefined ? undefined : instantText(row.updated_at)
  const reversed = actual === expectedPosition ? Commit.findTimeReversal(commit, updatedAt) : undefined
  return reversed ?? new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual })
}

const readPositions = ({ sql, tables: { executions } }: Database, refs: ReadonlyArray<ExecutionRef>) =>
  sql<PositionRow>`
    select e.tenant, e.execution_id, e.position, e.updated_at
      from unnest(${texts(refs.map((ref) => ref.tenant))}, ${texts(refs.map((ref) => ref.executionId))})
        as c (tenant, execution_id)
      cross join lateral (
        select * from ${executions} where tenant = c.tenant and execution_id = c.execution_id limit 1
      ) e`
