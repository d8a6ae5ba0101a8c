/** What a peer measured in one round. */
export interface Answer {
  /** In the unit of the question. */
  readonly value: number
  /** Nanoseconds of processor time for one operation, in the worker. */
  readonly processor: number
}
