import { Workflow } from "@refold/core"
import { Schema } from "effect"

const Parcel = Workflow.make({
  name: "parcel",
  events: { Sent: Schema.Undefined, Delivered: Schema.Undefined, Lost: Schema.Undefined },
  data: Schema.Struct({}),
  initial: { state: "Packed", data: {} },
  states: { Packed: { Sent: "UnderWay" }, UnderWay: { Delivered: "AtHome" }, AtHome: {} }
})

console.log(Workflow.check(Parcel))
console.log(Workflow.toMermaid(Parcel))
