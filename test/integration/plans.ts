/** The plans of each statement of an operation, also within functions, from the server's `auto_explain`. */
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, Statement } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { type Settings, startPostgres } from "../servers/Postgres.ts"

/** Delimits the name of a session at the beginning of a log entry. */
const [prefix, separator] = ["<<<<", ">>>>"]

/** Settings of the server. It logs nothing else meanwhile, because the output of two processes may be interleaved. */
const settings: Settings = {
  session_preload_libraries: "auto_explain",
  "auto_explain.log_analyze": "on",
  "auto_explain.log_timing": "off",
  "auto_explain.log_nested_statements": "on",
  "auto_explain.log_parameter_max_length": "0",
  "auto_explain.log_format": "json",
  log_line_prefix: `${prefix}%a${separator}`,
  log_checkpoints: "off",
  autovacuum: "off",
  fsync: "off"
}

/** A node of a plan; row counts are averages over its loops. */
interface Step {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly "Index Cond"?: string
  readonly "Actual Rows": number
  readonly "Actual Loops": number
  readonly "Rows Removed by Filter"?: number
  readonly "Rows Removed by Index Recheck"?: number
  readonly "Index Searches"?: number
  readonly Plans?: ReadonlyArray<Step>
}

const Step: Schema.Codec<Step> = Schema.Struct({
  "Node Type": Schema.String,
  "Relation Name": Schema.optionalKey(Schema.String),
  "Index Name": Schema.optionalKey(Schema.String),
  "Index Cond": Schema.optionalKey(Schema.String),
  "Actual Rows": Schema.Number,
  "Actual Loops": Schema.Number,
  "Rows Removed by Filter": Schema.optionalKey(Schema.Number),
  "Rows Removed by Index Recheck": Schema.optionalKey(Schema.Number),
  "Index Searches": Schema.optionalKey(Schema.Number),
  Plans: Schema.optionalKey(Schema.Array(Schema.suspend(() => Step)))
})

const decodePlan = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ "Query Text": Schema.String, Plan: Step }))
)

export interface Explained {
  readonly operation: string
  readonly statement: string
  readonly steps: ReadonlyArray<Step>
}

const stepsOf = (step: Step): ReadonlyArray<Step> => [step, ...(step.Plans ?? []).flatMap(stepsOf)]

/** A private server that explains the statements of one superuser session. */
export class Explaining extends Context.Service<
  Explaining,
  {
    readonly url: string
    /** Runs an operation. All its statements must run in the client's only session. */
    readonly explain: <A, E, R>(
      operation: string,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | SqlError, R | SqlClient.SqlClient>
    /** All plans so far, in order. */
    readonly explained: Effect.Effect<ReadonlyArray<Explained>, SqlError, SqlClient.SqlClient>
  }
>()("test/Explaining") {
  static readonly layer = Layer.effect(
    Explaining,
    Effect.gen(function* () {
      let log = ""
      const { url } = yield* Effect.acquireRelease(
        Effect.promise(() => startPostgres(settings, { onLog: (text) => void (log += text) })),
        ({ stop }) => Effect.promise(stop)
      )
      // The server's log identifies an explanation by the session name, which must be short.
      const operations: Array<string> = []
      const set = (name: string, duration: string) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`select set_config('application_name', ${name}, false),
            set_config('auto_explain.log_min_duration', ${duration}, false)`
        )
      const explain: Explaining["Service"]["explain"] = (operation, effect) =>
        set(`${operations.push(operation) - 1}`, "0").pipe(Effect.andThen(effect), Effect.tap(set("", "-1")))

      const explained = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const end = `${prefix}${operations.length}${separator}`
        yield* explain("nothing", sql`select`)
        for (let asked = 0; asked < 3000 && !log.includes(end); asked++) yield* sql`select`
        assert.include(log, end, "the server's log never told of the last statement")
        return log
          .slice(0, log.indexOf(end))
          .split(prefix)
          .flatMap((entry): ReadonlyArray<Explained> => {
            const start = entry.indexOf("{")
            const operation = operations[Number.parseInt(entry)]
            if (start < 0 || operation === undefined) return []
            const { Plan, "Query Text": statement } = decodePlan(entry.slice(start))
            return [{ operation, statement, steps: stepsOf(Plan) }]
          })
      })
      return { url, explain, explained }
    })
  )
}

/**
 * SQL of the adapter that guides the planner, by its name in `PlannerHints`, and the simple form that says the same. A
 * parameter that is no longer needed stays in the statement.
 */
const simpleForms = {
  expectFewRows: (text: string) =>
    text.replaceAll(/limit (\$\d+)(?=\s*\) \w\b)/g, "limit case when true then null else $1::bigint end"),
  isPending: (text: string) => text.replaceAll("q.status || '' = 'Pending'", "q.status = 'Pending'"),
  isEntry: (text: string) =>
    text.replaceAll("tenant || '' = ", "tenant = ").replaceAll("execution_id || '' = ", "execution_id = "),
  isInState: (text: string) =>
    text
      .replaceAll(/tenant \|\| ' ' \|\| current_state = (\$\d+)/g, "tenant = split_part($1, ' ', 1)")
      .replaceAll("execution_id || '' > ", "execution_id > ")
      .replaceAll("order by execution_id || ''", "order by execution_id"),
  isWithin: (text: string) =>
    text.replaceAll(
      /and q\.queue_position between (\$\d+)::int and (\$\d+)::int/g,
      "and $1::int + $2::int is not null"
    ),
  nextPosition: (text: string) =>
    text.replaceAll(
      "q.queue_position = (select settled_count + 1 from header)",
      "exists (select from header where q.queue_position = settled_count + 1)"
    )
}
export type Hint = keyof typeof simpleForms

/** Runs an operation with the simple form of a hint in all its statements, of which one must have the hint. */
export const withoutHint = Effect.fnUntraced(function* <A, E, R>(hint: Hint, work: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  let changedCount = 0
  const answer = yield* Effect.provideService(work, Statement.CurrentTransformer, (statement) => {
    const [text, parameters] = statement.compile()
    const changed = simpleForms[hint](text)
    if (changed === text) return Effect.succeed(statement)
    changedCount++
    return Effect.succeed(sql.unsafe(changed, parameters))
  })
  assert.isAbove(changedCount, 0, `no statement has the hint ${hint}`)
  return answer
})

/** Tables that grow neither with executions nor with events. */
const small = ["partitions", "leases", "workers", "migrations"]

/** A partial index with exactly the rows that are looked for, so reading all of it is fine. */
const whole = ["queue_unclaimed"]

/**
 * The problems of a statement: it reads a whole growing table, or an index without a condition, or more rows than
 * `mostRows`, or discards more than `mostRemoved` of the rows that it read. Work on rows that it already has, such as a
 * join of two inputs, does not count.
 */
export const faultsOf = (
  { operation, statement, steps }: Explained,
  { mostRemoved, mostRows }: { readonly mostRows: number; readonly mostRemoved: number }
): ReadonlyArray<string> =>
  steps.flatMap((step) => {
    const { "Actual Loops": loops, "Index Name": index, "Node Type": type, "Relation Name": table } = step
    if (table === undefined && index === undefined) return []
    if (type === "ModifyTable" || small.includes(table ?? "")) return []
    const removed = loops * ((step["Rows Removed by Filter"] ?? 0) + (step["Rows Removed by Index Recheck"] ?? 0))
    const rows = loops * step["Actual Rows"] + removed
    const searches = step["Index Searches"] ?? 0
    const isWhole = index !== undefined && step["Index Cond"] === undefined && !whole.includes(index)
    const faults = [
      type === "Seq Scan" ? "reads all of it" : "",
      isWhole && rows > mostRemoved ? "has no condition" : "",
      rows > mostRows ? `reads ${rows} rows` : "",
      searches > mostRows ? `searches ${searches} times` : "",
      removed > mostRemoved ? `throws away ${removed} rows` : ""
    ].filter((fault) => fault !== "")
    const what = [type, table, index].filter((name) => name !== undefined).join(" ")
    const text = statement.replaceAll(/\s+/g, " ").trim()
    return faults.map((fault) => `${operation}: ${what} ${fault}, in: ${text}`)
  })
