/** Formats figures as lines of text. */
import { type Figure, isMissed } from "./Measure.ts"

const rounded = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3))

const line = (cells: ReadonlyArray<string>) =>
  cells.map((cell, place) => (place === 0 ? cell.padEnd(21) : cell.padStart(11))).join(" ")

export const head = line(["figure", "unit", "ours", "reference", "ratio", "spread", "target", ""])

export const row = (figure: Figure): string =>
  line([
    figure.name,
    figure.unit,
    rounded(figure.ours),
    rounded(figure.reference),
    figure.ratio.toFixed(2),
    `±${Math.round(figure.spread * 100)} %`,
    figure.target === 0 ? "" : `≥ ${figure.target.toFixed(2)}`,
    isMissed(figure) ? "missed" : ""
  ])
