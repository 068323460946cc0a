/** Instants of the client as text. `Date.toISOString` takes longer than all else that makes an event of a row. */

/** The same text as `toISOString`, for the years 0000 to 9999. */
export const instantText = (date: Date): string => {
  const millis = date.getTime()
  const day = Math.floor(millis / millisPerDay)
  const time = millis - day * millisPerDay
  const hour = Math.floor(time / 3_600_000)
  const minute = Math.floor(time / 60_000) % 60
  const second = Math.floor(time / 1000) % 60
  return `${dayText(day, date)}${pairs[hour]}:${pairs[minute]}:${pairs[second]}.${triples[time % 1000]}Z`
}

const millisPerDay = 86_400_000

const dayText = (day: number, date: Date): string => {
  const known = days.get(day)
  if (known !== undefined) return known
  const text = date.toISOString().slice(0, 11)
  if (days.size >= maxDays) days.clear()
  days.set(day, text)
  return text
}

/** Days met lately, up to the `T`. */
const days = new Map<number, string>()
const maxDays = 4096

const digits = (count: number, length: number) =>
  Array.from({ length: count }, (_, value) => String(value).padStart(length, "0"))
const pairs = digits(60, 2)
const triples = digits(1000, 3)
