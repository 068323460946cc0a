/** The types of a workflow definition: what a user writes, and what `make` and `open` compile it to. */
import type { Result, Types } from "effect"
import { Schema } from "effect"
import type * as Json from "../event/Json.ts"
import type { Submission } from "../event/Submission.ts"
import type { EventSchema, Versioned } from "../event/Upcast.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import type { WorkflowRef } from "./WorkflowRef.ts"

/** Payload schemas by event name. Schemas encode to JSON; a schema with older versions is made by `Upcast.to`. */
export type EventSchemas = { readonly [EventName in string]: EventSchema }

/** The payload as handlers and guards see it. */
export type PayloadOf<Event extends EventSchema> =
  Event extends Versioned<infer Payload>
    ? Payload["Type"]
    : Event extends Schema.ConstraintCodec<infer Type, Json.Json | undefined>
      ? Type
      : never

/** The payload as JSON: what a submission carries. */
export type EncodedPayloadOf<Event extends EventSchema> =
  Event extends Versioned<infer Payload>
    ? Payload["Encoded"]
    : Event extends Schema.ConstraintCodec<unknown, infer Encoded>
      ? Encoded
      : never

/** Where an event leads. The first target is taken that has no guard, or whose guard holds. */
export interface Target<State extends string, Data, Payload> {
  readonly to: State
  readonly guard?: Guard<Data, Payload>
}

/**
 * Whether a target may be taken: true, false, or the reason why not, as the end of a sentence ("the invoice has no lines").
 *
 * **Details**
 *
 * Pure. The submission names the user. Guards run when deciding, never when replaying. If no target of an event applies, the
 * rejection carries the last reason given, cut to 500 characters: targets are tried from the special to the general, so the last
 * guard speaks for the event as a whole.
 */
export type Guard<Data, Payload> = {
  bivariant(data: Data, payload: Payload, submission: Submission): boolean | string
}["bivariant"]

/** A state, a guarded target, or several targets in the order in which they are tried. */
export type Targets<State extends string, Data, Payload> =
  | State
  | Target<State, Data, Payload>
  | ReadonlyArray<State | Target<State, Data, Payload>>

/** How an event changes the data: pure, total, and without changing its arguments. */
export type EvolveHandler<Data, Payload> = {
  bivariant(data: Data, payload: Payload, event: WorkflowEvent): Data
}["bivariant"]

/** The type of `initial.data`: the fields that it gives. Data that is no object, or has several shapes, is given whole. */
export type InitialData<Data, Given extends keyof Data> = [IsDivisible<Data>] extends [true]
  ? { readonly [Field in Given]: Data[Field] }
  : NoInfer<Data>

/** Whether a part of the data can be given: it is an object of one shape. */
type IsDivisible<Data> = [Data] extends [ReadonlyArray<unknown>]
  ? false
  : [Data] extends [object]
    ? IsOneShape<Data, Data>
    : false

type IsOneShape<Data, Whole> = Data extends unknown ? ([Whole] extends [Data] ? true : false) : never

/** The data of a start, as JSON: required are the fields that the initial data leaves out, the others are optional. */
export type StartData<Data, EncodedData, Given extends keyof Data> = EncodedData extends Schema.JsonArray
  ? NoStartData
  : EncodedData extends object
    ? [InitialData<Data, Given>] extends [Data]
      ? Partial<EncodedData>
      : StartFields<EncodedData, Given>
    : NoStartData

/** Nothing: data that is no object cannot be merged with the initial data. */
type NoStartData = { readonly [field: string]: never }

type StartFields<EncodedData, Given> = Types.Simplify<
  { readonly [Field in keyof EncodedData as Field extends Given ? never : Field]: EncodedData[Field] } & {
    readonly [Field in keyof EncodedData as Field extends Given ? Field : never]?: EncodedData[Field]
  }
>

/** The argument of `make`: the whole definition, as data and pure functions. */
export interface Options<
  State extends string,
  Data,
  EncodedData extends Json.Json,
  Events extends EventSchemas,
  Given extends keyof Data = keyof Data
> {
  readonly name: string
  /** Version of the definition, 1 or more. An execution keeps the version it was started with. */
  readonly version?: number
  readonly events: Events
  readonly data: Schema.ConstraintCodec<Data, EncodedData>
  /**
   * Where an execution begins. If the schema of the data is a `Schema.Struct` or a class, fields may be left out here; every
   * start must then bring them.
   */
  readonly initial: { readonly state: NoInfer<State>; readonly data: InitialData<Data, Given> }
  /** Every state, with the events it accepts and where each leads. */
  readonly states: {
    readonly [From in State]: {
      readonly [EventName in keyof Events]?: Targets<NoInfer<State>, NoInfer<Data>, PayloadOf<Events[EventName]>>
    }
  }
  /** States in which an execution is complete and accepts no more events. */
  readonly final?: ReadonlyArray<NoInfer<State>>
  /** Events without a handler leave the data unchanged. */
  readonly evolve?: {
    readonly [EventName in keyof Events]?: EvolveHandler<NoInfer<Data>, PayloadOf<Events[EventName]>>
  }
}

/** The handler of an event whose payload needs no decoding at this schema version. */
export interface PlainHandler<Data> {
  readonly schemaVersion: number
  readonly evolve: EvolveHandler<Data, unknown>
}

/** An event that cannot be folded. `reason` ends a sentence that begins with the event. */
export class Unfoldable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * A definition, checked and compiled.
 *
 * **Details**
 *
 * Methods take their arguments bivariantly, so that a registry can hold definitions of different data as `Workflow`. A
 * definition is only ever given data that it made itself.
 */
export interface Workflow<
  State extends string = string,
  Data = unknown,
  Events extends EventSchemas = EventSchemas,
  Start = unknown,
  Initial = unknown
> {
  readonly name: string
  /** 0 for an open definition: see `Workflow.open`. */
  readonly version: number
  /** Identifies the fold: name, version, schemas, upcasters, final states and the source text of `evolve`. */
  readonly fingerprint: string
  /** Name and version, as states and headers hold them. */
  readonly ref: WorkflowRef
  readonly events: Events
  /** Schema of the execution's data. */
  readonly dataSchema: Schema.Constraint
  /** Where an execution begins, as the definition says it; the data may lack fields. */
  readonly initial: { readonly state: State; readonly data: Initial }
  /** The data before the first event; unfoldable where the definition leaves fields to the start. */
  readonly origin: Data | Unfoldable
  /** The first data of an execution, as JSON that is not yet checked: the initial data, with `start` merged over it. */
  firstData(start: Start | undefined): unknown
  /** For each state, the targets of each event it accepts. Empty for an open definition, which accepts every event. */
  readonly transitions: Transitions
  readonly finalStates: ReadonlySet<string>
  /** The data as a fold may keep it: a value that `foldEvent` may change without anybody else seeing the change. */
  ownData(data: Data): Data
  /**
   * The data after the event; may change and return the data it is given. Unfoldable is an event whose payload no version
   * reads, and one that comes before the first data.
   */
  foldEvent(owned: Data | Unfoldable, event: WorkflowEvent): Data | Unfoldable
  /** Fast path of the fold: for an event named here, at this schema version, `foldEvent` only calls the handler. */
  readonly plainHandlers: ReadonlyMap<string, PlainHandler<Data>>
  /** The payload of a stored event, decoded from whichever version wrote it, or the reason why that is not possible. */
  readPayload(event: WorkflowEvent): Result.Result<unknown, string>
  /** The payload of a new event, decoded, or why it is refused. A key that the schema does not name is refused. */
  decodePayload(eventName: string, payload: Json.Json | undefined): Result.Result<unknown, Json.JsonProblem>
  /** Current version of the event's payload schema: the version that a new event is written with. */
  schemaVersion(eventName: string): number
  /** Whether JSON may be an execution's first data: it satisfies the schema, and every key is one the schema names. */
  checkData(data: Json.Json): Result.Result<unknown, Json.JsonProblem>
  /** The data as it is stored. */
  encodeData(data: Data): Result.Result<Json.Json, Json.JsonProblem>
  /** The data from what `encodeData` returned. */
  decodeData(data: Json.Json): Result.Result<Data, Json.JsonProblem>
  /** Whether a value is data of this definition. */
  isData(data: unknown): data is Data
}

/** A definition of `make`. It keeps its options, so that the next version can reuse them. */
export interface DefinedWorkflow<
  State extends string,
  Data,
  EncodedData extends Json.Json,
  Events extends EventSchemas,
  Given extends keyof Data = keyof Data
> extends Workflow<State, Data, Events, StartData<Data, EncodedData, Given>, InitialData<Data, Given>> {
  readonly options: Options<State, Data, EncodedData, Events, Given>
}

/** For each state, the targets of each event it accepts. */
export type Transitions = ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<Target<string, unknown, unknown>>>>

/** The definition cannot work, whatever is submitted. This is a mistake in the program, so it is thrown, not returned. */
export class InvalidDefinition extends Schema.TaggedError<InvalidDefinition>()("InvalidDefinition", {
  workflow: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Workflow "${this.workflow}": ${this.problem}`
  }
}
