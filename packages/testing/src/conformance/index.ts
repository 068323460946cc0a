export {
  type AdapterCheck,
  AdapterUnfit,
  KitName,
  type KitOptions,
  NothingToCheck,
  PortMissing,
  PromiseBroken,
  adapterChecks,
  checkAdapter,
  testAdapter
} from "./AdapterKit.ts"
export { type Check, ConformanceFailure } from "./Check.ts"
export { durableWakeUpChannelSuite, wakeUpChannelSuite } from "./WakeUpChannelSuite.ts"
export { partitionLeasesSuite } from "./PartitionLeasesSuite.ts"
export { storeSuite } from "./StoreSuite.ts"
export { eventModelSuite } from "./WorkflowEventModelSuite.ts"
export { processingModelSuite } from "./WorkflowEventProcessingModelSuite.ts"
export { executionModelSuite } from "./WorkflowExecutionModelSuite.ts"
export { snapshotModelSuite } from "./WorkflowSnapshotModelSuite.ts"
