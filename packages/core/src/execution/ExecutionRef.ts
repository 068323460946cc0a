/** What names an execution: it is a tenant's, and its id is unique there. */

export interface ExecutionRef {
  readonly tenant: string
  readonly executionId: string
}

/** The execution as one text, for maps: NUL stands in neither part. */
export const executionKey = ({ executionId, tenant }: ExecutionRef): string => `${tenant}\0${executionId}`
