export * as PgliteStore from "./PgliteStore.ts"
