import type { AnyDriver, AnyOptions, Capability } from './options.ts'
import type { Opening, Rig } from './rig.ts'

/** What a check needs, beyond what every driver has. */
export type Need = Capability | 'session'

/** One thing that is proved of a driver. */
export interface Check {
  readonly name: string
  readonly needs: readonly Need[]
  readonly run: (rig: Rig, opening: Opening) => Promise<void>
}

type Having = (driver: AnyDriver, options: AnyOptions) => boolean

/** Who has it; and where nobody does, what follows from that. */
const needs: Readonly<Record<Need, { readonly has: Having; readonly lacking: string }>> = {
  validate: {
    has: (driver) => driver.validate !== undefined,
    lacking: 'the driver has no `validate`, so that a dead resource may be lent',
  },
  reset: {
    has: (driver) => driver.reset !== undefined,
    lacking: 'the driver has no `reset`, so that what one holder leaves the next one finds',
  },
  session: {
    has: (_, { session }) => session !== undefined,
    lacking: 'the options have no `session`, so that nothing shows what `reset` takes away',
  },
  watch: {
    has: (driver) => driver.watch !== undefined,
    lacking: 'the driver has no `watch`, so that nobody learns of a resource that died',
  },
  classify: {
    has: (driver) => driver.classify !== undefined,
    lacking: 'the driver has no `classify`, so that a wrong password is tried again and again',
  },
  ref: {
    has: (driver) => driver.ref !== undefined && driver.unref !== undefined,
    lacking:
      'the driver has not both `ref` and `unref`, so that idle resources hold a process open',
  },
  // These are there until there is a reason why not; without a reason, a check fails by itself.
  handshake: { has: () => true, lacking: '' },
  goodbye: { has: () => true, lacking: '' },
  fork: { has: () => true, lacking: '' },
}

/** Whether a check can be run: else the reason why not, which is either given or missing. */
export function verdictOn(
  check: Check,
  driver: AnyDriver,
  options: AnyOptions,
): { readonly skipped?: string; readonly failed?: string } {
  for (const need of check.needs) {
    if (need === 'session' && options.session !== undefined) continue
    // Who has no `reset` may have no session to tell of either.
    const capability = need === 'session' ? 'reset' : need
    const skipped = options.without?.[capability]
    if (skipped !== undefined) return { skipped }
    const { has, lacking } = needs[need]
    if (!has(driver, options)) {
      return {
        failed: `Driver "${driver.name}": ${lacking}. If there is none, say why: \`without: { ${capability}: '…' }\`.`,
      }
    }
  }
  return {}
}
