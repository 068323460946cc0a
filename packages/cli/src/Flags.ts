/** Flags and arguments that several commands take. */
import { Config, Option, Record as EffectRecord, Redacted, Schema } from "effect"
import { Argument, Flag } from "effect/cli"

export const tenant = Flag.String("tenant").pipe(Flag.withMetavar("T"), Flag.withDescription("Tenant of the data"))

/** For commands about all tenants. */
export const onlyTenant = Flag.String("tenant").pipe(
  Flag.withMetavar("T"),
  Flag.withDescription("Only the data of this tenant; by default that of all tenants"),
  Flag.optional
)

export const executionArgument = Argument.String("execution").pipe(Argument.withDescription("Id of the execution"))

export const execution = Flag.String("execution").pipe(
  Flag.withMetavar("E"),
  Flag.withDescription("Id of the execution")
)

export const event = Flag.String("event").pipe(Flag.withMetavar("NAME"), Flag.withDescription("Name of the event"))

export const toState = Flag.String("to").pipe(
  Flag.withMetavar("STATE"),
  Flag.withDescription("Target state; without it the execution stays in its state"),
  Flag.optional
)

export const workflow = Flag.String("workflow").pipe(
  Flag.withMetavar("W"),
  Flag.withDescription("Name of the workflow that the executions run")
)

export const idempotencyKey = Flag.String("idempotency-key").pipe(
  Flag.withMetavar("K"),
  Flag.withDescription("Makes the command safe to repeat: with the same key it returns the first result"),
  Flag.optional
)

export const user = Flag.String("user").pipe(
  Flag.withMetavar("U"),
  Flag.withDescription("User who causes the event; stored with it"),
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

export const payload = jsonObject("payload", "Payload of the event, as a JSON object; merged into the data")

/** Not a global flag: most commands wake no worker, and must work without Redis. */
export const redis = Flag.Redacted("redis").pipe(
  Flag.withMetavar("URL"),
  Flag.withDescription("Redis that wakes the workers, as redis://user:password@host:port (or REDIS_URL)"),
  Flag.withFallbackConfig(Config.Redacted("REDIS_URL")),
  Flag.filter(
    (url) => /^rediss?:\/\//.test(Redacted.value(url)),
    () => "an address such as redis://localhost:6379, here or in REDIS_URL"
  ),
  Flag.optional
)

export const namespace = Flag.String("namespace").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("Namespace of the keys in that Redis, refold by default (or REFOLD_NAMESPACE)"),
  Flag.withFallbackConfig(Config.String("REFOLD_NAMESPACE")),
  Flag.withDefault("refold"),
  Flag.filter(
    (name) => name !== "",
    () => "a name, here or in REFOLD_NAMESPACE"
  )
)

/** An object with the field, if the flag has a value; else an empty one. */
export const present = <const Name extends string, A>(name: Name, option: Option.Option<A>): Partial<Record<Name, A>> =>
  Option.isSome(option) ? EffectRecord.singleton(name, option.value) : {}
