/** Objects whose optional fields are absent, never undefined: the shape that JSON and `exactOptionalPropertyTypes` ask for. */

type MaybeUndefined<Fields> = { [Key in keyof Fields]-?: undefined extends Fields[Key] ? Key : never }[keyof Fields]

/** The fields; those that may be undefined are optional. */
export type WithoutUndefined<Fields extends object> = {
  readonly [Key in Exclude<keyof Fields, MaybeUndefined<Fields>>]: Fields[Key]
} & {
  readonly [Key in MaybeUndefined<Fields>]?: Exclude<Fields[Key], undefined>
}

/**
 * The object without the fields that are undefined: `{ name, ...withoutUndefined({ user_id }) }`.
 *
 * **Gotchas**
 *
 * It walks all fields. In a loop over events, test the few fields that may be undefined instead.
 */
export function withoutUndefined<const Fields extends object>(fields: Fields): WithoutUndefined<Fields>
export function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
