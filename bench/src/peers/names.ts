import type { Peer } from './peer.ts'

/** Every peer, and what it is called in the report. The first is no pool: it is what no pool can beat. */
export const labels = {
  floor: 'floor',
  core: 'core, page',
  'core-without-koffi': 'core, without koffi',
  'generic-pool': 'generic-pool',
  'lightning-pool': 'lightning-pool',
  'pg-pool': 'pg-pool',
  tarn: 'tarn',
} as const

export type PeerName = keyof typeof labels

export const peerNames = Object.keys(labels) as readonly PeerName[]

/** Loads one peer and no other. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  const { peer } = (await import(`./${name}.js`)) as { readonly peer: Peer }
  return peer
}
