import { DefaultEvictor } from './evictor.ts'
import { createPool, Pool } from './pool.ts'

/** The default export of generic-pool. */
export const genericPool = { createPool, DefaultEvictor, Pool }
