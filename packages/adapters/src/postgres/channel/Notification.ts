/** Payloads of notifications: several wake-ups in one, as JSON. */
import type { WakeUp } from "@refold/core"
import { Schema } from "effect"

/** PostgreSQL takes less than 8,000 bytes. */
const maxPayloadBytes = 7900

/** Partition, tenant and execution id of each wake-up. */
const Payload = Schema.fromJsonString(Schema.Array(Schema.Tuple([Schema.Int, Schema.String, Schema.String])))

/** None for a payload that this version of Refold did not write. */
export const decodePayload = Schema.decodeUnknownOption(Payload)

/** Few payloads for many wake-ups. A wake-up that fits into none is left out: its work is found by sweeping. */
export const toPayloads = (wakeUps: ReadonlyArray<WakeUp>): ReadonlyArray<string> => {
  const payloads: Array<string> = []
  let [entries, bytes]: [Array<string>, number] = [[], 0]
  for (const { executionId, partition, tenant } of wakeUps) {
    const entry = JSON.stringify([partition, tenant, executionId])
    // With the brackets around all entries and the comma before each.
    const entryBytes = Buffer.byteLength(entry) + 1
    if (entryBytes + 1 > maxPayloadBytes) continue
    if (bytes + entryBytes + 1 > maxPayloadBytes) {
      payloads.push(`[${entries.join(",")}]`)
      ;[entries, bytes] = [[], 0]
    }
    entries.push(entry)
    bytes += entryBytes
  }
  return entries.length === 0 ? payloads : [...payloads, `[${entries.join(",")}]`]
}
