/** Short, so that a run sees many of them expire. */
export const leaseDuration = "4 seconds"
