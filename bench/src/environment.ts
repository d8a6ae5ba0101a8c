import { createRequire } from 'node:module'
import { availableParallelism, cpus } from 'node:os'

/** The machine and the versions of a run. */
export interface Environment {
  readonly node: string
  readonly platform: string
  readonly cpu: string
  readonly cores: number
  /** The version of each peer. */
  readonly peers: Readonly<Record<string, string>>
  /** The version, such as `'18.4'`; `undefined` if no server was needed. */
  postgres: string | undefined
  /** Whether the server and the clients are pinned to different processors. */
  apart: boolean
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
}

export function environment(): Environment {
  // Exact versions, except those of this workspace.
  const { dependencies } = createRequire(import.meta.url)('../package.json') as Manifest
  const peers = Object.entries(dependencies).filter(([, version]) => /^\d/.test(version))
  return {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    peers: Object.fromEntries(peers),
    postgres: undefined,
    apart: false,
  }
}
