/**
 * Redaction replaces what identifies people in events. The events keep their shape, so that a definition still folds them.
 *
 * **Details**
 *
 * Pseudonyms replace the texts in payloads, user ids, tenants, execution ids and event ids. Metadata and the offset in the feed
 * are removed. Names that a program gives (workflows, events, states, event types, fields), literals of the schemas,
 * numbers, booleans and the instants of the record stay.
 *
 * A pseudonym has the length and the punctuation of its text, letters for letters and digits for digits. The pseudonym of a
 * date is a date, that of a UUID a UUID. Under one secret, a text has the same pseudonym everywhere; order is lost. Short texts
 * may share a pseudonym, and so may dates, because there are only 9,408 of them. If two keys of one object become the
 * same, the value of the last one stays.
 */
import { Json, startedEventName, Upcast, Workflow, type WorkflowEvent } from "@refold/core"
import { type Schema, SchemaAST } from "effect"
import { hash } from "node:crypto"

/** Redacts events of a workflow. Discard the secret afterwards: with it, guesses at the original texts can be tested. */
export const redactor = (workflow: Workflow.Workflow, secret: string): ((event: WorkflowEvent) => WorkflowEvent) => {
  const vocabularies = new Map(
    Object.entries(workflow.events).map(([eventName, event]) => [eventName, vocabularyOf(Upcast.schemaOf(event))])
  )
  vocabularies.set(startedEventName, vocabularyOf(workflow.dataSchema))
  return ({ payload, user_id, ...event }) => {
    // In an open workflow, keys are the columns of an imported log. An event that the definition no longer has may hold anything.
    const vocabulary = Workflow.isOpen(workflow) ? fieldsOnly : (vocabularies.get(event.event_name) ?? nothing)
    return {
      ...event,
      event_id: pseudonym(event.event_id, secret),
      tenant: pseudonym(event.tenant, secret),
      execution_id: pseudonym(event.execution_id, secret),
      ...(user_id === undefined ? {} : { user_id: pseudonym(user_id, secret) }),
      ...(payload === undefined ? {} : { payload: redactJson(payload, vocabulary, secret) }),
      // The partition is a hash of the ids, against which guesses at them could be tested.
      partition: 0,
      offset: event.position,
      metadata: {}
    }
  }
}

/** The words of a payload that the program defines. */
interface Vocabulary {
  readonly fields: ReadonlySet<string>
  /** Texts that a schema names as literals. */
  readonly words: ReadonlySet<string>
  /** Whether keys other than the fields may be data. If not, an unknown key is a field of an older version. */
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

/** Attempts to find a pseudonym that differs from its text: for a short text the first may be equal. */
const maxRounds = 16

/** The pseudonym of a text under a secret. A text of only punctuation and zeros stays as it is. */
export const pseudonym = (text: string, secret: string): string => {
  for (let round = 0; round < maxRounds; round++) {
    const made = disguise(text, chanceOf(JSON.stringify([secret, text, round])))
    if (made !== text) return made
  }
  return text
}

/** Draws a number from 0 to `count - 1`. */
type Chance = (count: number) => number

/** Draws any amount of numbers from hashes of the seed. */
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
    // Digits may become letters; a schema may require their case.
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

/** Replaces seconds and their fraction; keeps the offset, which is no secret. */
const seconds = (text: string, chance: Chance): string => {
  const [whole, fraction = ""] = /^:[0-5]\d([.,]\d{1,9})?(?=$|Z|[ +-])/.exec(text) ?? []
  if (whole === undefined) return isOffset.test(text) ? text : letters(text, chance)
  const rest = text.slice(whole.length)
  const disguised = `:${String(chance(60)).padStart(2, "0")}${letters(fraction, chance)}`
  return disguised + (isOffset.test(rest) ? rest : letters(rest, chance))
}

const isOffset = /^ ?(Z|[+-]\d{2}(:?\d{2})?)$/

const hex = (text: string, chance: Chance): string => text.replaceAll(/[\da-f]/gi, () => chance(16).toString(16))

/** Replaces letters and digits. A number neither gains nor loses a leading zero. Letters of every script become Latin ones. */
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
  // Other characters (emoji, separate accents) are replaced like letters, so that nothing of the text shows.
  return /[\u0020-\u007e\s]/.test(char) && !/[a-z]/.test(char) ? char : String.fromCodePoint(97 + chance(26))
}
