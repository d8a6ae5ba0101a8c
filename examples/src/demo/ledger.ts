import { openSync, readFileSync, writeSync } from 'node:fs'
import type { Found } from './scene.ts'

/** Process 0 is the parent. */
export type Entry =
  | { readonly what: 'right'; readonly process: number }
  /** `owner` is the process whose row came; `undefined` if none did. */
  | { readonly what: 'wrong'; readonly process: number; readonly owner: number | undefined }
  | { readonly what: 'error'; readonly process: number; readonly message: string }
  /** A child ended before its time, or an error that nothing caught reached the parent. */
  | { readonly what: 'crash'; readonly process: number; readonly message: string }
  /** What the parent found when all was over. */
  | { readonly what: 'found'; readonly found: Found }
  /** A fork cannot be made here: the parent was alone. */
  | { readonly what: 'unforked'; readonly reason: string }

/**
 * A file to which the parent and its children append a line for everything that happens, as it happens: nothing that a
 * process has seen is lost if it crashes or hangs.
 */
export class Ledger {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = openSync(path, 'a')
  }

  write(entry: Entry): void {
    writeSync(this.#fd, `${JSON.stringify(entry)}\n`)
  }
}

export function readLedger(path: string): Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry)
}
