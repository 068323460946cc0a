/** Links from the span of a pass to the traces that its events were queued in. */
import type { Claim } from "@refold/core"
import { Option, type Tracer } from "effect"
import { Headers, HttpTraceContext } from "effect/http"

/** Links of a span; backends keep no more by default. */
const maxLinks = 128

/** One link for each event that carries a W3C `traceparent`. */
export const linksOf = (claims: ReadonlyArray<Claim>): ReadonlyArray<Tracer.SpanLink> =>
  claims
    .flatMap((claim) => claim.events)
    .flatMap(({ processingId, submission: { metadata } }) =>
      metadata?.traceparent === undefined
        ? []
        : Option.match(HttpTraceContext.w3c(Headers.fromInput({ traceparent: metadata.traceparent })), {
            onNone: () => [],
            onSome: (span) => [{ span, attributes: { processingId } }]
          })
    )
    .slice(0, maxLinks)
