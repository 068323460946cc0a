/** Flags and arguments that several commands take. */
import { Schema } from "effect"
import { Argument, Flag } from "effect/cli"

export const tenant = Flag.String("tenant").pipe(
  Flag.withMetavar("T"),
  Flag.withDescription("The tenant whose data this is")
)

export const optionalTenant = tenant.pipe(Flag.optional)

export const executionArgument = Argument.String("execution").pipe(Argument.withDescription("Id of the execution"))

export const execution = Flag.String("execution").pipe(
  Flag.withMetavar("E"),
  Flag.withDescription("Id of the execution")
)

export const workflow = Flag.String("workflow").pipe(
  Flag.withMetavar("W"),
  Flag.withDescription("Name of the workflow that the executions run")
)

export const idempotencyKey = Flag.String("idempotency-key").pipe(
  Flag.withMetavar("K"),
  Flag.withDescription("Makes the command safe to repeat: a second time it gives the first result"),
  Flag.optional
)

export const user = Flag.String("user").pipe(
  Flag.withMetavar("U"),
  Flag.withDescription("Who does it; kept with the event"),
  Flag.optional
)

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON value"), Flag.withDefault(false))

export const jsonLines = Flag.Boolean("jsonl").pipe(
  Flag.withDescription("Print one JSON value per line"),
  Flag.withDefault(false)
)

const JsonObjectText = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))

/** A flag whose value is a JSON object. */
export const jsonObject = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("JSON"),
    Flag.withDescription(description),
    Flag.withSchema(JsonObjectText),
    Flag.optional
  )
