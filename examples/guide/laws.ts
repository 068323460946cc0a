import { Upcast, Workflow } from "@refold/core"
import { checkWorkflow } from "@refold/testing/laws"
import { Schema } from "effect"
import fc from "fast-check"
import { test } from "node:test"

const PledgedV1 = Schema.Struct({ euros: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5000 })) })

const Campaign = Workflow.make({
  name: "campaign",
  events: {
    Pledged: Upcast.to(Schema.Struct({ cents: Schema.Int.check(Schema.isGreaterThan(0)) }), [
      (old) => ({ cents: Schema.is(PledgedV1)(old) ? old.euros * 100 : 0 })
    ]),
    Closed: Schema.Struct({ code: Schema.String })
  },
  data: Schema.Struct({ cents: Schema.Int, pledgeCount: Schema.Int }),
  initial: { state: "Open", data: { cents: 0, pledgeCount: 0 } },
  states: {
    Open: {
      Pledged: "Open",
      Closed: [{ to: "Funded", guard: ({ cents }, { code }) => cents >= 100_000 && code.startsWith("C-") }, "Failed"]
    },
    Funded: {},
    Failed: {}
  },
  final: ["Funded", "Failed"],
  evolve: { Pledged: (data, { cents }) => ({ cents: data.cents + cents, pledgeCount: data.pledgeCount + 1 }) }
})

await test("the campaign keeps the laws", () => {
  checkWorkflow(Campaign, {
    // The payload schemas of older releases, the oldest first.
    oldPayloads: { Pledged: [PledgedV1] },
    // Payloads that random generation does not find: a guard requires such a code.
    payloads: { Closed: fc.constantFrom({ code: "C-1" }, { code: "" }) }
  })
})
