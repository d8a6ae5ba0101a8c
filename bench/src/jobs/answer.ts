/** What a peer measured in one round. */
export interface Answer {
  /** In the unit of the question. */
  readonly value: number
  /** Nanoseconds of processor time for one operation, in the worker; of a storm, for the longest turn of the event loop. */
  readonly processor: number
}
