import type { AnyDriver, AnyOptions, Capability } from './options.ts'
import type { Opening, Rig } from './rig.ts'

/** A requirement of a check beyond the required hooks of a driver. */
export type Need = Capability | 'session' | 'death'

/** Requirements that are options; a reason for the other missing capability covers them, too. */
const coveredBy: Readonly<Partial<Record<Need, Capability>>> = { session: 'reset', death: 'server' }

/** One check of a driver. */
export interface Check {
  readonly name: string
  readonly needs: readonly Need[]
  readonly run: (rig: Rig, opening: Opening) => Promise<void>
}

type Having = (driver: AnyDriver, options: AnyOptions) => boolean

/** How each requirement is detected, and the consequence if it is missing. */
const needs: Readonly<Record<Need, { readonly has: Having; readonly lacking: string }>> = {
  validate: {
    has: (driver) => driver.validate !== undefined,
    lacking: 'the driver has no `validate`, so a dead resource may be lent',
  },
  reset: {
    has: (driver) => driver.reset !== undefined,
    lacking: 'the driver has no `reset`, so the next holder finds what the last one left',
  },
  session: {
    has: (_, { session }) => session !== undefined,
    lacking: 'the options have no `session`, so nothing shows what `reset` removes',
  },
  watch: {
    has: (driver) => driver.watch !== undefined,
    lacking: 'the driver has no `watch`, so the pool does not notice when a resource dies',
  },
  classify: {
    has: (driver) => driver.classify !== undefined,
    lacking: 'the driver has no `classify`, so a wrong password is retried again and again',
  },
  ref: {
    has: (driver) => driver.ref !== undefined && driver.unref !== undefined,
    lacking:
      'the driver does not have both `ref` and `unref`, so idle resources keep a process alive',
  },
  server: { has: (_, { server }) => server !== undefined, lacking: '' },
  death: {
    has: (_, { server, kill }) => server !== undefined || kill !== undefined,
    lacking: '',
  },
  // These count as present unless there is a reason; if one is missing without a reason, its checks fail by themselves.
  share: { has: () => true, lacking: '' },
  handshake: { has: () => true, lacking: '' },
  goodbye: { has: () => true, lacking: '' },
  fork: { has: () => true, lacking: '' },
}

/** Returns why a check is skipped, or why it fails without being run; neither if it can be run. */
export function verdictOn(
  check: Check,
  driver: AnyDriver,
  options: AnyOptions,
): { readonly skipped?: string; readonly failed?: string } {
  for (const need of check.needs) {
    const { has, lacking } = needs[need]
    const other = coveredBy[need]
    if (other !== undefined && has(driver, options)) continue
    const capability = other ?? (need as Capability)
    const skipped = options.without?.[capability]
    if (skipped !== undefined) return { skipped }
    if (!has(driver, options)) {
      // `without` accepts no reason for a hook that the driver has.
      if (need === 'session' && needs.reset.has(driver, options)) {
        return {
          failed: `Driver "${driver.name}": ${lacking}. Give the option \`session: { leave, left }\`.`,
        }
      }
      return {
        failed: `Driver "${driver.name}": ${lacking}. If this is intended, give a reason: \`without: { ${capability}: '…' }\`.`,
      }
    }
  }
  return {}
}
