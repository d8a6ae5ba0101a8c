import { DefaultEvictor } from './evictor.ts'
import { createPool, Pool } from './pool.ts'

export { createPool, DefaultEvictor, Pool }
export type { EvictionConfig, Evictor, Factory, Options, PooledResource } from './surface.ts'

/** The default export of generic-pool. */
const genericPool = { createPool, DefaultEvictor, Pool }
export default genericPool
