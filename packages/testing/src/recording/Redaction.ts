/**
 * Redaction: events without what identifies people, of the same shape, so that a definition still folds them.
 *
 * **Details**
 *
 * Replaced by pseudonyms: texts in payloads, user ids, tenant, execution ids and event ids. Metadata is left out, and the place
 * in the feed. Kept are
 * the names that a program gives (workflows, events, states, event types, fields), the texts that the schemas name as
 * literals, numbers, booleans and instants of the record.
 *
 * A pseudonym has the length and the punctuation of its text, letters for letters, digits for digits. Of a date or a UUID
 * it is one as well. The same text under the same secret has the same pseudonym, wherever it stands; order is lost. Short
 * texts may share one, dates as well, of which there are 9,408; of two keys of one object that do, the last one's value stays.
 */
import { Json, startedEventName, Upcast, Workflow, type WorkflowEvent } from "@refold/core"
import { type Schema, SchemaAST } from "effect"
import { hash } from "node:crypto"

/** Redacts events of a workflow. Whoever has the secret can try which text a pseudonym stands for: throw it away. */
export const redactor = (workflow: Workflow.Workflow, secret: string): ((event: WorkflowEvent) => WorkflowEvent) => {
  const vocabularies = new Map(
    Object.entries(workflow.events).map(([eventName, event]) => [eventName, vocabularyOf(Upcast.schemaOf(event))])
  )
  vocabularies.set(startedEventName, vocabularyOf(workflow.dataSchema))
  return ({ payload, user_id, ...event }) => {
    // Without a schema, keys are the columns of an imported log. An event that a definition no longer has may hold anything.
    const vocabulary = Workflow.isOpen(workflow) ? fieldsOnly : (vocabularies.get(event.event_name) ?? nothing)
    return {
      ...event,
      event_id: pseudonym(event.event_id, secret),
      tenant: pseudonym(event.tenant, secret),
      execution_id: pseudonym(event.execution_id, secret),
      ...(user_id === undefined ? {} : { user_id: pseudonym(user_id, secret) }),
      ...(payload === undefined ? {} : { payload: redactJson(payload, vocabulary, secret) }),
      // The partition is a hash of the ids, by which a guess at them could be tried.
      partition: 0,
      offset: event.position,
      metadata: {}
    }
  }
}

/** What of a payload is the program's own words. */
interface Vocabulary {
  readonly fields: ReadonlySet<string>
  /** Texts that a schema names. */
  readonly words: ReadonlySet<string>
  /** Whether keys beyond the fields can be data. Where they cannot, an unknown one is a field of an older version. */
  readonly hasFreeKeys: boolean
}

const fieldsOnly: Vocabulary = { fields: new Set(), words: new Set(), hasFreeKeys: false }
const nothing: Vocabulary = { ...fieldsOnly, hasFreeKeys: true }

const vocabularyOf = (schema: Schema.Constraint): Vocabulary => {
  const fields = new Set<string>()
  const words = new Set<string>()
  const seen = new Set<SchemaAST.AST>()
  let hasFreeKeys = false
  const visit = (ast: SchemaAST.AST): void => {
    if (seen.has(ast)) return
    seen.add(ast)
    switch (ast._tag) {
      case "Literal":
        if (typeof ast.literal === "string") words.add(ast.literal)
        return
      case "Enum":
        for (const [, value] of ast.enums) if (typeof value === "string") words.add(value)
        return
      case "Objects":
        for (const { name, type } of ast.propertySignatures) {
          fields.add(String(name))
          visit(type)
        }
        for (const { type } of ast.indexSignatures) {
          hasFreeKeys = true
          visit(type)
        }
        return
      case "Arrays":
        return [...ast.elements, ...ast.rest].forEach(visit)
      case "Union":
        return ast.types.forEach(visit)
      case "Suspend":
        return visit(ast.thunk())
      case "Declaration":
      case "Unknown":
      case "Any":
      case "ObjectKeyword":
        hasFreeKeys = true
    }
  }
  visit(SchemaAST.toEncoded(schema.ast))
  return { fields, words, hasFreeKeys }
}

const redactJson = (value: Json.Json, vocabulary: Vocabulary, secret: string): Json.Json => {
  const { fields, hasFreeKeys, words } = vocabulary
  if (typeof value === "string") return words.has(value) ? value : pseudonym(value, secret)
  if (Array.isArray(value)) return value.map((each: Json.Json) => redactJson(each, vocabulary, secret))
  const object = Json.asObject(value)
  if (object === undefined) return value
  return Object.fromEntries(
    Object.entries(object).map(([key, member]) => [
      hasFreeKeys && !fields.has(key) ? pseudonym(key, secret) : key,
      redactJson(member, vocabulary, secret)
    ])
  )
}

/** Pseudonyms tried until one is not the text itself, as can happen to short ones. */
const maxRounds = 16

/** What stands for a text under a secret. A text without any letter or digit, but zeros, stays as it is. */
export const pseudonym = (text: string, secret: string): string => {
  for (let round = 0; round < maxRounds; round++) {
    const made = disguise(text, chanceOf(JSON.stringify([secret, text, round])))
    if (made !== text) return made
  }
  return text
}

/** A number from 0 to `count - 1`. */
type Chance = (count: number) => number

/** Numbers drawn from a hash, as many as are asked for. */
const chanceOf = (seed: string): Chance => {
  let block = ""
  let blockCount = 0
  return (count) => {
    if (block === "") {
      block = hash("sha256", `${blockCount}:${seed}`)
      blockCount += 1
    }
    const drawn = Number.parseInt(block.slice(0, 4), 16)
    block = block.slice(4)
    return drawn % count
  }
}

const date = /^(\d{4})([-/])(0[1-9]|1[0-2])([-/])(0[1-9]|[12]\d|3[01])(?=$|[T ])/
const time = /^([T ])([01]\d|2[0-3]):([0-5]\d)/
const uuid = /^([\da-f]{8}-[\da-f]{4}-)([1-8])([\da-f]{3}-)([89ab])([\da-f]{3}-[\da-f]{12})$/i

const disguise = (text: string, chance: Chance): string => {
  const id = uuid.exec(text)
  if (id !== null) {
    const [, start = "", version = "", middle = "", variant = "", end = ""] = id
    const made = hex(start, chance) + version + hex(middle, chance) + variant + hex(end, chance)
    // Its digits may become letters, whose case a schema may name.
    return /[A-F]/.test(text) ? made.toUpperCase() : made
  }
  const day = date.exec(text)
  if (day === null) return letters(text, chance)
  const [found, , left = "", , right = ""] = day
  const twoDigits = (from: number, count: number) => String(from + chance(count)).padStart(2, "0")
  const rest = text.slice(found.length)
  const clock = time.exec(rest)
  const disguised = `${2000 + chance(28)}${left}${twoDigits(1, 12)}${right}${twoDigits(1, 28)}`
  if (clock === null) return disguised + letters(rest, chance)
  const [whole, separator = ""] = clock
  return `${disguised}${separator}${twoDigits(0, 24)}:${twoDigits(0, 60)}${seconds(rest.slice(whole.length), chance)}`
}

/** Seconds and their fraction; the offset, which is no secret, stays. */
const seconds = (text: string, chance: Chance): string => {
  const [whole, fraction = ""] = /^:[0-5]\d([.,]\d{1,9})?(?=$|Z|[ +-])/.exec(text) ?? []
  if (whole === undefined) return isOffset.test(text) ? text : letters(text, chance)
  const rest = text.slice(whole.length)
  const disguised = `:${String(chance(60)).padStart(2, "0")}${letters(fraction, chance)}`
  return disguised + (isOffset.test(rest) ? rest : letters(rest, chance))
}

const isOffset = /^ ?(Z|[+-]\d{2}(:?\d{2})?)$/

const hex = (text: string, chance: Chance): string => text.replaceAll(/[\da-f]/gi, () => chance(16).toString(16))

/** A number does not get a leading zero, nor lose the one it has. Letters of any script become those of this one. */
const letters = (text: string, chance: Chance): string => {
  let previous = ""
  return text.replaceAll(/[^]/gu, (char) => {
    const isFirst = !/\p{N}/u.test(previous)
    previous = char
    const drawn = replacementOf(char, isFirst, chance)
    return drawn.repeat(char.length)
  })
}

const replacementOf = (char: string, isFirst: boolean, chance: Chance): string => {
  if (/\p{N}/u.test(char)) {
    if (!isFirst) return String(chance(10))
    return char === "0" ? char : String(1 + chance(9))
  }
  if (/\p{Lu}/u.test(char)) return String.fromCodePoint(65 + chance(26))
  // What is neither a letter nor plain punctuation (an emoji, an accent of its own) is a letter too: nothing shows through.
  return /[\u0020-\u007e\s]/.test(char) && !/[a-z]/.test(char) ? char : String.fromCodePoint(97 + chance(26))
}
