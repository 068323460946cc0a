/** A `refold` that knows your definitions: node refold.ts recorded-runs check recorded-runs */
import { Workflows } from "@refold/runtime"
import { run } from "@refold/cli"
import { Invoice } from "../01-invoice-approval/Invoice.ts"
import { Order } from "../03-order-workers/Order.ts"

run(Workflows.layerOpen(Invoice, Order))
