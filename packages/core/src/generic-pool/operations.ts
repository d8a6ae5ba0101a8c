import { startTimer, type Timer } from '../tools/timers.ts'

/** What is under way, to be waited for. */
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

  /** Waits for what is under way now, however it ends. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}

/** Runs `operation` and rejects once it has taken longer than so many milliseconds; what it does then is of no consequence. */
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
