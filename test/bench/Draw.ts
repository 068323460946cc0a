/** Plots as SVG, by Vega, which needs no browser. */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { View, parse } from "vega"
import { type TopLevelSpec, compile } from "vega-lite"

/** A value of a series at a point of the axis. */
export interface Point {
  readonly series: string
  readonly x: number
  readonly y: number
}

export interface Panel {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly points: ReadonlyArray<Point>
}

interface Axis {
  /** Title of the axis, with the unit. */
  readonly title: string
  /** Logarithmic, for measurements at 1, 10, 100. */
  readonly isLog?: boolean
  /** The tick marks; the axis goes from the first to the last. Vega chooses them if absent. */
  readonly values?: ReadonlyArray<number>
}

/** Series are distinct without colour as well, by their dashes. */
const colours = ["#0b5fa5", "#c2410c", "#3f7d20", "#7b3fa0"]
const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2]
]

/** More points would hide the lines. */
const maxMarks = 60

/** Without a precision, Vega writes 1,000 as 1e+3 if one digit distinguishes the marks. */
const format = ",.6~g"

const axisOf = ({ isLog = false, title, values = [] }: Axis, isFromZero: boolean) => ({
  type: "quantitative" as const,
  title,
  scale: {
    ...(isLog ? { type: "log" as const, nice: false } : { zero: isFromZero }),
    ...(values.length === 0 ? {} : { domain: [Math.min(...values), Math.max(...values)] })
  },
  axis: { ...(values.length === 0 ? {} : { values: [...values] }), format, tickCount: 6 }
})

const specOf = (panels: ReadonlyArray<Panel>): TopLevelSpec => ({
  background: "white",
  padding: 8,
  config: {
    font: "sans-serif",
    axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridColor: "#e5e5e5" },
    legend: {
      labelFontSize: 12,
      titleFontSize: 12,
      orient: "bottom",
      symbolType: "stroke",
      symbolStrokeWidth: 2,
      symbolSize: 400,
      // Four legend entries beside each other are wider than a panel.
      columns: 2,
      labelLimit: 300
    },
    title: { fontSize: 14, anchor: "start", fontWeight: "bold" }
  },
  resolve: { scale: { x: "independent", y: "independent", color: "independent", strokeDash: "independent" } },
  spacing: 90,
  bounds: "flush",
  hconcat: panels.map(({ points, title, x, y }) => {
    const series = [...new Set(points.map((point) => point.series))]
    return {
      title,
      width: 340,
      height: 260,
      data: { values: points.map((point) => ({ ...point })) },
      mark: { type: "line" as const, point: points.length > maxMarks ? false : { size: 45 }, strokeWidth: 2 },
      encoding: {
        x: { field: "x", ...axisOf(x, false) },
        y: { field: "y", ...axisOf(y, true) },
        color: {
          field: "series",
          type: "nominal" as const,
          title: null,
          scale: { domain: series, range: colours.slice(0, series.length) }
        },
        strokeDash: {
          field: "series",
          type: "nominal" as const,
          title: null,
          scale: { domain: series, range: dashes.slice(0, series.length) }
        }
      }
    }
  })
})

const folder = fileURLToPath(new URL("../../docs/performance/", import.meta.url))

/** Writes `docs/performance/NAME.svg`: the panels side by side. */
export const draw = (name: string, panels: ReadonlyArray<Panel>) =>
  Effect.promise(async () => {
    const view = new View(parse(compile(specOf(panels)).spec), { renderer: "none" })
    const svg = await view.toSVG()
    await mkdir(folder, { recursive: true })
    await writeFile(`${folder}${name}.svg`, `${svg}\n`)
  })
