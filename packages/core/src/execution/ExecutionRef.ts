/** The name of an execution: its tenant, and its id, which is unique within the tenant. */

export interface ExecutionRef {
  readonly tenant: string
  readonly executionId: string
}

/** The execution as one text, as a key of maps. Neither part can hold a NUL. */
export const executionKey = ({ executionId, tenant }: ExecutionRef): string => `${tenant}\0${executionId}`
