import { checkWorkflow } from "@refold/core/laws"
import { test } from "node:test"
import { Invoice } from "../01-invoice-approval/Invoice.ts"

await test("the invoice keeps the laws", () => checkWorkflow(Invoice, { numRuns: 50 }))
