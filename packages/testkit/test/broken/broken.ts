import type { ConformanceOptions } from '../../src/index.ts'
import type { LineClient, LineConnection, lineDriver } from '../support/line-driver.ts'

export type LineDriver = typeof lineDriver

/** A driver that breaks the contract in one way. */
export interface Broken {
  readonly driver: Partial<LineDriver>
  readonly options?: Partial<ConformanceOptions<LineClient, LineConnection>>
  /** The names of the checks that must fail. No similar check may. */
  readonly fail: RegExp
  /** The messages of these checks. */
  readonly saying: RegExp
  /** Whether the fault also affects forked children. */
  readonly forked?: true
}
