/** Checks that events come back as they were written: payloads, names, tenants, idempotency keys. */
import { Identifier, WorkflowEventModel } from "@refold/core"
import { Effect, Option, Stream } from "effect"
import { type Check, equal } from "../Check.ts"
import { accepted, freshTenant, keyed, logOf, longName, moves, oddNames, payloads } from "../Sample.ts"
import { refusals, conflict } from "./EventSample.ts"

export const contentChecks: ReadonlyArray<Check<WorkflowEventModel>> = [
  ...Object.entries(payloads).map(([kind, payload]): Check<WorkflowEventModel> => ({
    title: `a payload comes back as it was: ${kind}`,
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const commit = moves(ref, 0, ["open"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload }] })
      const [event] = yield* logOf(ref)
      // Compared as text, because the order of keys matters.
      yield* equal("the payload", JSON.stringify(event?.payload), JSON.stringify(payload))
    })
  })),
  {
    title: "a payload of null differs from an absent one",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const commit = moves(ref, 0, ["1", "2"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload: null }, ...commit.events.slice(1)] })
      const [withNull, without] = yield* logOf(ref)
      yield* equal("the payload", withNull?.payload, null)
      yield* equal("whether the other has one", without !== undefined && "payload" in without, false)
    })
  },
  {
    title: "a payload changed after the commit is not changed in the log",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const items = ["kept"]
      const commit = moves(ref, 0, ["open"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload: { items } }] })
      items.push("slipped in")
      const [event] = yield* logOf(ref)
      yield* equal("the payload", event?.payload, { items: ["kept"] })
    })
  },
  {
    title: "every field of an event comes back; fields that it does not have are absent",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const bare = moves(ref, 0, ["1"]).events[0]
      const full = {
        ...moves(ref, 1, ["2"]).events[0],
        event_type: "complete",
        from_state: "1",
        user_id: "ann",
        payload: { amount: 1 },
        schema_version: 7,
        metadata: {
          correlation_id: "c",
          causation_id: "d",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        }
      }
      const written = yield* accepted({ ...moves(ref, 0, ["1"]), events: [bare, full] })
      const stamps = written.map(({ created_at, offset, partition, position, recorded_at }) => ({
        tenant: ref.tenant,
        execution_id: ref.executionId,
        created_at,
        offset,
        partition,
        position,
        recorded_at
      }))
      const expected = [
        { ...bare, ...stamps[0] },
        { ...full, ...stamps[1] }
      ]
      yield* equal("the answer", written, expected)
      yield* equal("the log", yield* logOf(ref), expected)
    })
  },
  {
    title: "any text serves as any name",
    check: Effect.gen(function* () {
      const outer = yield* freshTenant
      const model = yield* WorkflowEventModel
      for (const name of oddNames) {
        const tenant = `${outer}${name}`.slice(0, Identifier.maxLength - 1)
        const at = { tenant: Identifier.problem(tenant) === undefined ? tenant : outer, executionId: name }
        const event = {
          ...moves(at, 0, ["1"]).events[0],
          event_id: name,
          event_name: name,
          event_type: name,
          from_state: name,
          to_state: name,
          user_id: name,
          metadata: { correlation_id: name }
        }
        const commit = { ...moves(at, 0, ["1"]), workflow: { name, version: 1 }, events: [event] as const }
        const [written] = yield* accepted(keyed(commit, name))
        yield* equal("the log", yield* logOf(at), [written])
        yield* equal("names", written, { ...written, ...event, execution_id: name, tenant: at.tenant })
        const found = yield* model.findByIdempotencyKey({ ...at, idempotencyKey: name })
        yield* equal("the event of the key", Option.getOrUndefined(found), written)
        yield* refusals(moves(at, 0, ["x"]))
      }
    })
  },
  {
    title: "names of maximum length that do not compress are accepted",
    check: Effect.gen(function* () {
      const tenant = (yield* freshTenant) + longName(1).slice(100)
      const ref = { tenant: tenant + longName(2).slice(tenant.length), executionId: longName(3) }
      const event = { ...moves(ref, 0, [longName(4)]).events[0], event_id: longName(5), event_name: longName(6) }
      const [written] = yield* accepted(keyed({ ...moves(ref, 0, ["1"]), events: [event] }, longName(7)))
      yield* equal("the log", yield* logOf(ref), [written])
    })
  },
  {
    title: "one tenant does not see another tenant's executions",
    check: Effect.gen(function* () {
      const [ours, theirs, third] = [yield* freshTenant, yield* freshTenant, yield* freshTenant]
      const at = (tenant: string) => ({ tenant, executionId: "same" })
      const model = yield* WorkflowEventModel
      const mine = yield* accepted(keyed(moves(at(ours), 0, ["ours", "ours"]), "key"))
      const other = yield* accepted(keyed(moves(at(theirs), 0, ["theirs"]), "key"))
      yield* equal("their position", yield* refusals(moves(at(theirs), 2, ["x"])), [
        conflict({ ...at(theirs), expected: 2, actual: 1 })
      ])
      yield* equal("our log", yield* logOf(at(ours)), mine)
      yield* equal("their log", yield* logOf(at(theirs)), other)
      yield* equal("a third's log", yield* logOf(at(third)), [])
      yield* equal("all of theirs", yield* Stream.runCollect(model.readTenant({ tenant: theirs })), other)
      const found = yield* Effect.forEach([ours, theirs, third], (tenant) =>
        Effect.map(
          model.findByIdempotencyKey({ ...at(tenant), idempotencyKey: "key" }),
          (event) => Option.getOrUndefined(event)?.tenant
        )
      )
      yield* equal("the key's events", found, [ours, theirs, undefined])
    })
  },
  {
    title: "an idempotency key always finds its event",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      const find = (executionId: string, idempotencyKey: string) =>
        Effect.map(model.findByIdempotencyKey({ tenant, executionId, idempotencyKey }), Option.getOrUndefined)
      const [first] = yield* accepted(keyed(moves({ tenant, executionId: "one" }, 0, ["1", "2"]), "a"))
      yield* accepted(moves({ tenant, executionId: "one" }, 2, ["3"]))
      const [fourth] = yield* accepted(keyed(moves({ tenant, executionId: "one" }, 3, ["4", "5"]), "b"))
      const [other] = yield* accepted(keyed(moves({ tenant, executionId: "two" }, 0, ["1"]), "a"))
      yield* refusals(keyed(moves({ tenant, executionId: "one" }, 1, ["x"]), "refused"))
      yield* equal("of the first commit", yield* find("one", "a"), first)
      yield* equal("of a later commit", yield* find("one", "b"), fourth)
      yield* equal("of another execution", yield* find("two", "a"), other)
      yield* equal("of a key not used there", yield* find("two", "b"), undefined)
      yield* equal("of an unknown execution", yield* find("three", "a"), undefined)
      yield* equal("of a refused commit", yield* find("one", "refused"), undefined)
    })
  }
]
