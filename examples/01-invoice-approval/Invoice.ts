/** An invoice: a draft with lines that is submitted, approved by one person or by two, and paid. */
import { Workflow } from "@refold/core"
import { Schema } from "effect"

/** An invoice of this total or more needs a second approval. */
export const secondApprovalFrom = 1_000_000

export const Invoice = Workflow.make({
  name: "invoice",
  events: {
    LineAdded: Schema.Struct({ text: Schema.String, cents: Schema.Int.check(Schema.isGreaterThan(0)) }),
    Submitted: Schema.Undefined,
    Approved: Schema.Undefined,
    Rejected: Schema.Struct({ reason: Schema.String }),
    Paid: Schema.Struct({ reference: Schema.String })
  },
  data: Schema.Struct({ customer: Schema.String, cents: Schema.Int, approvedBy: Schema.Array(Schema.String) }),
  initial: { state: "Draft", data: { cents: 0, approvedBy: [] } },
  states: {
    Draft: {
      LineAdded: "Draft",
      Submitted: { to: "Submitted", guard: ({ cents }) => cents > 0 || "the invoice has no lines" }
    },
    Submitted: {
      Approved: [{ to: "ApprovedOnce", guard: ({ cents }) => cents >= secondApprovalFrom }, "Approved"],
      Rejected: "Draft"
    },
    ApprovedOnce: {
      Approved: {
        to: "Approved",
        guard: ({ approvedBy }, _payload, { user_id = "" }) =>
          !approvedBy.includes(user_id) || "the same person has approved it before"
      },
      Rejected: "Draft"
    },
    Approved: { Paid: "Paid" },
    Paid: {}
  },
  final: ["Paid"],
  evolve: {
    LineAdded: (data, { cents }) => ({ ...data, cents: data.cents + cents }),
    Approved: (data, _payload, { user_id = "" }) => ({ ...data, approvedBy: [...data.approvedBy, user_id] }),
    Rejected: (data) => ({ ...data, approvedBy: [] })
  }
})
