/** The result of one peer in one round. */
export interface Answer {
  /** The value, in the unit of the question. */
  readonly value: number
  /** The worker's processor time for one operation, in nanoseconds. For a storm, that of the longest turn of the event loop. */
  readonly processor: number
}
