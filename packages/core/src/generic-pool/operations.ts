import { startTimer, type Timer } from '../tools/timers.ts'

/** A set of operations in progress. */
export class Operations {
  readonly #running = new Set<Promise<unknown>>()

  track(operation: Promise<unknown>): void {
    this.#running.add(operation)
    const forget = (): void => void this.#running.delete(operation)
    operation.then(forget, forget)
  }

  get isIdle(): boolean {
    return this.#running.size === 0
  }

  /** Resolves when all operations that are in progress now have settled. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}

/** Runs `operation`, and rejects if it takes longer than `millis`. Its later outcome is then ignored. */
export async function within<T>(
  millis: number,
  name: string,
  operation: () => T | Promise<T>,
): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    timer = startTimer(() => reject(new Error(`${name} timed out`)), millis)
  })
  try {
    return await Promise.race([operation(), late])
  } finally {
    timer?.clear()
  }
}
