/** `npm run example -- 01` runs an example by its number or name; anything else lists them. */
import { readdirSync, readFileSync } from "node:fs"

const title = (folder: string): string => {
  const text = readFileSync(new URL(`${folder}/main.ts`, import.meta.url), "utf8")
  return /^\/\*\*\s+(?:\* )?(.*?)(?: \*\/)?$/m.exec(text)?.[1] ?? ""
}

const folders = readdirSync(import.meta.dirname).filter((name) => /^\d\d-/.test(name))
const wanted = process.argv[2] ?? ""
const chosen = folders.find((folder) => folder === wanted || folder.startsWith(`${wanted}-`))

if (chosen === undefined) {
  const lines = folders.map((folder) => `  npm run example -- ${folder.slice(0, 2)}   ${title(folder)}`)
  console.error([wanted === "" ? "Examples:" : `There is no example "${wanted}". Examples:`, ...lines].join("\n"))
  process.exitCode = 2
} else {
  await import(`./${chosen}/main.ts`)
}
