/** The registry of definitions that this process can run. */
import { Workflow } from "@refold/core"
import { Context, Effect, Layer, Schema } from "effect"

/** No definition with that name and version is registered in this process. `version` is absent if any version was wanted. */
export class WorkflowNotFound extends Schema.TaggedError<WorkflowNotFound>()("WorkflowNotFound", {
  name: Schema.String,
  version: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    const version = this.version === undefined ? "" : ` version ${this.version}`
    return `Workflow "${this.name}"${version} is not registered in this process: add its definition to Workflows.layer`
  }
}

export class Workflows extends Context.Service<
  Workflows,
  {
    /** The definition of a name: of that version, or the newest. */
    readonly get: (name: string, version?: number) => Effect.Effect<Workflow.Workflow, WorkflowNotFound>
  }
>()("@refold/runtime/Workflows") {
  /** A registry of these definitions; several versions of one name stand side by side. */
  static readonly layer = (...definitions: ReadonlyArray<Workflow.Workflow>) =>
    Layer.sync(Workflows, () => {
      const find = finderOf(definitions)
      return {
        get: (name, version) =>
          Effect.suspend(() => {
            const found = find(name, version)
            return found === undefined ? notFound(name, version) : Effect.succeed(found)
          })
      }
    })

  /** Knows every name, as an open workflow, beside the definitions given. */
  static readonly layerOpen = (...definitions: ReadonlyArray<Workflow.Workflow>) =>
    Layer.sync(Workflows, () => {
      const find = finderOf(definitions)
      const opened = new Map<string, Workflow.Workflow>()
      const open = (name: string) => {
        const known = opened.get(name)
        if (known !== undefined) return known
        const made = Workflow.open(name)
        if (opened.size < maxOpened) opened.set(name, made)
        return made
      }
      return {
        get: (name, version) =>
          Effect.suspend(() => {
            const found = find(name, version)
            if (found !== undefined) return Effect.succeed(found)
            return version === undefined || version === Workflow.openVersion
              ? Effect.succeed(open(name))
              : notFound(name, version)
          })
      }
    })
}

/** Maximum cached open workflows; others are created at each call. */
const maxOpened = 1000

/** Sorts once, because workers look up a definition for every claimed execution. */
const finderOf = (definitions: ReadonlyArray<Workflow.Workflow>) => {
  const newestFirst = definitions.toSorted((left, right) => right.version - left.version)
  return (name: string, version: number | undefined) =>
    newestFirst.find(
      (definition) => definition.name === name && (version === undefined || definition.version === version)
    )
}

const notFound = (name: string, version: number | undefined) =>
  Effect.fail(new WorkflowNotFound(version === undefined ? { name } : { name, version }))
