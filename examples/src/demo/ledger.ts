import { openSync, readFileSync, writeSync } from 'node:fs'
import type { Found } from './scene.ts'

/** The number of a process. 0 is the parent. */
export type Entry =
  | { readonly what: 'right'; readonly process: number }
  /** An answer. `owner` is the process that the row belongs to; `undefined` if there was no row. */
  | { readonly what: 'wrong'; readonly process: number; readonly owner: number | undefined }
  | { readonly what: 'error'; readonly process: number; readonly message: string }
  /** A child crashed, or an uncaught error reached the parent. */
  | { readonly what: 'crash'; readonly process: number; readonly message: string }
  /** The findings of the parent at the end. */
  | { readonly what: 'found'; readonly found: Found }
  /** The machine does not support forks, so the parent worked alone. */
  | { readonly what: 'unforked'; readonly reason: string }

/**
 * A file to which the parent and its children append a line for each event, as it happens. So no observation is lost if a
 * process crashes or hangs.
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
