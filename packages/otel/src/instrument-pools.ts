import { type MeterProvider, metrics, trace, type TracerProvider } from '@opentelemetry/api'
import { measurePools } from './metrics.ts'
import { tracePools } from './spans.ts'

/** The options of `instrumentPools`. */
export interface InstrumentPoolsOptions {
  /** Receives the metrics. Default: the global one. */
  readonly meterProvider?: MeterProvider | undefined
  /** Receives the spans. Default: the global one. */
  readonly tracerProvider?: TracerProvider | undefined
}

/** What `instrumentPools` has started. */
export interface Instrumentation extends Disposable {
  /** Ends it: no more metrics and spans. A second call does nothing. */
  disable(): void
}

const SCOPE = '@forksafe/otel'

/**
 * Reports metrics and spans of all pools of the process: those that exist, those created later, and those inside drop-ins. Call it once,
 * after the SDK has started: a second call counts everything a second time, unless it has other providers.
 * @throws {TypeError} for a provider that has no `getMeter` or `getTracer`, and for an unknown option.
 */
export function instrumentPools(options: InstrumentPoolsOptions = {}): Instrumentation {
  check(options)
  const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace } = options
  const ends = [
    measurePools(meterProvider.getMeter(SCOPE)),
    tracePools(tracerProvider.getTracer(SCOPE)),
  ]
  const disable = (): void => {
    for (const end of ends.splice(0)) end()
  }
  return { disable, [Symbol.dispose]: disable }
}

const methods: Readonly<Record<string, string>> = {
  meterProvider: 'getMeter',
  tracerProvider: 'getTracer',
}

function check(options: object): void {
  for (const [option, value] of Object.entries(options)) {
    const method = Object.hasOwn(methods, option) ? methods[option] : undefined
    if (method === undefined) {
      throw new TypeError(
        `\`instrumentPools\`: there is no such option. There are ${Object.keys(methods).join(', ')}.`,
      )
    }
    if (value === undefined) continue
    if (typeof (value as Record<string, unknown> | null)?.[method] !== 'function') {
      throw new TypeError(
        `\`instrumentPools\`: expected \`${option}\` to have a method \`${method}\`.`,
      )
    }
  }
}
