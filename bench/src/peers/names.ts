import type { Peer } from './peer.ts'

/** The label of each peer in the report. The first is not a pool: it is the lower bound for all pools. */
const pools = {
  floor: 'floor',
  core: 'core, page',
  'core-without-koffi': 'core, without koffi',
  'generic-pool': 'generic-pool',
  'lightning-pool': 'lightning-pool',
  'pg-pool': 'pg-pool',
  tarn: 'tarn',
} as const

/** Core with fewer checks for forks: with `once`, none after the first change; with `hooks`, none at all. */
const detections = {
  'core-once': "core, page, 'once'",
  'core-hooks': "core, page, 'hooks'",
  'core-once-without-koffi': "core, without koffi, 'once'",
  'core-hooks-without-koffi': "core, without koffi, 'hooks'",
} as const

/** Core with a driver that can share its resources. */
const sharing = { 'core-sharing': 'core, page, a driver that can share' } as const

export const labels = { ...pools, ...detections, ...sharing }

export type PeerName = keyof typeof labels
export type PoolName = keyof typeof pools
export type DetectionName = keyof typeof detections | 'core' | 'core-without-koffi'

export type UnsharedName = keyof typeof sharing | 'core'

export const unsharedNames: readonly UnsharedName[] = ['core', 'core-sharing']
export const poolNames = Object.keys(pools) as readonly PoolName[]
export const detectionNames: readonly DetectionName[] = [
  'core',
  'core-without-koffi',
  ...(Object.keys(detections) as (keyof typeof detections)[]),
]

/** Loads one peer only. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  const { peer } = (await import(`./${name}.js`)) as { readonly peer: Peer }
  return peer
}
