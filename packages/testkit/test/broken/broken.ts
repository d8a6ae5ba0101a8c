import type { ConformanceOptions } from '../../src/index.ts'
import type { LineClient, LineConnection, lineDriver } from '../support/line-driver.ts'

export type LineDriver = typeof lineDriver

/** A driver that breaks the contract in one way. */
export interface Broken {
  readonly driver: Partial<LineDriver>
  readonly options?: Partial<ConformanceOptions<LineClient, LineConnection>>
  /** The names of the checks that fail, and no others do. */
  readonly fail: RegExp
  /** What they say. */
  readonly saying: RegExp
  /** It matters in a forked child too. */
  readonly forked?: true
}
