// @ts-check
import { changes, moments } from './proof/table.mjs'

/**
 * @param {Partial<Record<import('./proof/table.d.mts').Change, import('./proof/table.d.mts').Moment[]>>} claimed
 */
export function proves(claimed) {
  const cells = Object.entries(claimed).flatMap(([change, at]) =>
    at.map((moment) => `${change}/${moment}`),
  )
  for (const cell of cells) {
    const [change = '', moment = ''] = cell.split('/')
    if (Object.hasOwn(changes, change) && Object.hasOwn(moments, moment)) continue
    throw new Error(`Expected a cell of scripts/proof/table.mjs, got \`${cell}\``)
  }
  return { meta: { proves: cells } }
}
