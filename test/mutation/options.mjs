/**
 * Options of StrykerJS for one package: what is mutated, and the folder of the tests that must notice. Its own option
 * for that, `testFiles`, would leave mutants in what a module does when it is loaded (schemas, tables) switched off. It
 * fails where less than `least` percent are noticed.
 */
export const options = ({ name, mutate, tests, least = null }) => ({
  mutate,
  testRunner: "vitest",
  vitest: { configFile: "test/mutation/vitest.config.ts", dir: tests },
  coverageAnalysis: "perTest",
  concurrency: 2,
  // Only what changed since the last run is run again.
  incremental: true,
  incrementalFile: `.stryker/${name}.json`,
  tempDirName: ".stryker/sandbox",
  ignorePatterns: ["**", "!packages/**", "!test/**", "!package.json", "!tsconfig.base.json", "**/dist/**"],
  // Nothing checks types here.
  disableTypeChecks: false,
  reporters: ["clear-text"],
  clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
  warnings: { slow: false },
  thresholds: { high: 95, low: 92, break: least }
})
